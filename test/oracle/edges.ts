/**
 * Oracle, edges: what a sequence of records leaves between users and products. Plain sums over the
 * events that count; nothing here knows of prototypes.
 */
import type { OracleConfig, OracleEvent, OracleRecord } from './model.ts'

export interface OracleEdge {
  /** Net quantity bought; may be negative. */
  quantity: number
  views: number
  carts: number
  reviews: number
  /** Earliest and latest event time, milliseconds. */
  firstMs: number
  lastMs: number
}

/** product → edge, of one user. An edge of weight 0 stays here and counts as no edge. */
export type OracleUserEdges = Map<string, OracleEdge>
export type OracleEdges = Map<string, OracleUserEdges>

export interface OracleFolded {
  /** Every user with an event that counted, not erased since. */
  readonly edges: OracleEdges
  /** Every product of an event that counted, erased users' included. */
  readonly products: Set<string>
}

export function foldEdges(records: Iterable<OracleRecord>): OracleFolded {
  const edges: OracleEdges = new Map()
  const products = new Set<string>()
  const seen = new Set<string>()
  for (const record of records) {
    if (record.kind === 'erase') edges.delete(record.user_id)
    if (record.kind !== 'event' || seen.has(record.event_id)) continue
    seen.add(record.event_id)
    products.add(record.product_id)
    addToEdges(edges, record)
  }
  return { edges, products }
}

/** Adds an event that is known to be no duplicate. */
export function addToEdges(edges: OracleEdges, event: OracleEvent): void {
  let userEdges = edges.get(event.user_id)
  if (userEdges === undefined) {
    userEdges = new Map()
    edges.set(event.user_id, userEdges)
  }
  const atMs = Date.parse(event.ts)
  let edge = userEdges.get(event.product_id)
  if (edge === undefined) {
    edge = { quantity: 0, views: 0, carts: 0, reviews: 0, firstMs: atMs, lastMs: atMs }
    userEdges.set(event.product_id, edge)
  }
  edge.firstMs = Math.min(edge.firstMs, atMs)
  edge.lastMs = Math.max(edge.lastMs, atMs)
  if (event.type === 'purchase') edge.quantity += event.quantity ?? 1
  if (event.type === 'return') edge.quantity -= event.quantity ?? 1
  if (event.type === 'view') edge.views += 1
  if (event.type === 'cart') edge.carts += 1
  if (event.type === 'review') edge.reviews += 1
}

/** w(u,p) in thousandths; 0 for no edge. */
export function edgeWeight(edge: OracleEdge | undefined, repeat: OracleConfig['repeat']): number {
  if (edge === undefined) return 0
  const live = [0]
  if (edge.quantity > 0) live.push(1000)
  if (edge.carts > 0) live.push(500)
  if (edge.views > 0) live.push(300)
  if (edge.reviews > 0) live.push(300)
  return repeat === 'once' ? Math.max(...live) : live.reduce((sum, weight) => sum + weight, 0)
}

/** [product, weight] of the edges that count, i.e. of weight above 0. */
export function weightsOf(
  userEdges: OracleUserEdges | undefined,
  repeat: OracleConfig['repeat'],
): [string, number][] {
  const weights: [string, number][] = []
  for (const [product, edge] of userEdges ?? []) {
    const weight = edgeWeight(edge, repeat)
    if (weight > 0) weights.push([product, weight])
  }
  return weights
}
