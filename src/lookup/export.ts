// Exports: every user, product or edge of one snapshot, exact. NDJSON a line each, or the graph as GEXF.
import { UndirectedGraph } from 'graphology'
import type { UserIndex } from '../core/ids.ts'
import { publishedOne } from '../core/limits.ts'
import { UsageError } from '../errors.ts'
import type { UserRow } from '../store/port.ts'
import { heldOf, methodOf, totalOf } from './answer.ts'
import { Decider } from './decider.ts'
import { writeGexf, xmlText } from './gexf.ts'
import { PersonaNames } from './names.ts'
import { productAnswerOf } from './product.ts'
import { activeVersionOf, labelsOf, type Snapshot } from './snapshot.ts'
import { Walker } from './walk-anew.ts'

/** Edges of a graph that is built in memory for GEXF. */
const gexfEdgesMax = 500_000

/** One line a user ever seen and not erased (DESIGN §3). */
export function* exportUsers({ store, kappa, decision, check }: Snapshot): Generator<object> {
  const version = activeVersionOf(store)
  const walker = new Walker(store, version)
  const decider = new Decider(store, { version, decision })
  const names = new PersonaNames(store)
  const labels = labelsOf(store)
  for (const user of store.users()) {
    check()
    yield userLine(user, store.user(user)!, { walker, decider, names, labels, kappa })
  }
}

type UserContext = {
  walker: Walker
  decider: Decider
  names: PersonaNames
  labels: ReturnType<typeof labelsOf>
  kappa: number
}

function userLine(
  user: UserIndex,
  row: UserRow,
  { walker, decider, names, labels, kappa }: UserContext,
): object {
  const shares = labels.get(user)
  const walk = shares === undefined ? walker.walk(user) : walker.walkLeaveOneOut(user, { shares, kappa })
  const scores = row.method === 'sampled' ? row.scores : walk.scores
  const scoreWeight = row.method === 'sampled' ? row.scoreWeight : walk.weight
  const total = row.status === 'unknown' ? 0 : totalOf(scores)
  const personaNames = names.of(row.version)
  const held =
    row.status === 'prototype' ? { scores: row.scores, total: totalOf(row.scores) } : { scores, total }
  const byName = (values: Float64Array | undefined) =>
    Object.fromEntries(
      values === undefined ? [] : Array.from(values, (value, c) => [personaNames[c]!, value]),
    )
  const q = total === 0 ? undefined : scores.map((score) => score / total)
  const calibrated =
    row.epoch === 0 || row.status !== 'inferred'
      ? undefined
      : decider.decide(
          { ...walk, edges: walker.edges(user), sampled: row.method === 'sampled' ? row.scores : undefined },
          { epoch: row.epoch, before: new Uint8Array(walker.personas) },
        ).probabilities
  return {
    user_id: row.userId,
    status: row.status,
    version: row.sequence,
    landing_mass: total === 0 ? 0 : total / (scoreWeight * publishedOne),
    scores: byName(q),
    probabilities: byName(calibrated ?? q),
    personas: heldOf(row, { names: personaNames, ...held, probabilities: calibrated }),
    primary: personaNames[row.primary] ?? null,
    degree: walk.degree,
    method: methodOf(row),
    ...(row.method === 'sampled' ? { position: row.position, half_width: row.halfWidth } : {}),
    prototype_set_version: row.version,
  }
}

/** One line a product: its published vector as shares that sum to rho(p). */
export function* exportProducts({ store, kappa, check }: Snapshot): Generator<object> {
  const version = activeVersionOf(store)
  for (const product of store.products()) {
    check()
    yield productAnswerOf({ store, kappa }, { version, product })
  }
}

/** One line an edge, live or not. */
export function* exportEdges({ store, check }: Snapshot): Generator<object> {
  for (const user of store.users()) {
    check()
    const { userId } = store.user(user)!
    for (const { product, edge } of store.edgesOf(user))
      yield {
        user_id: userId,
        product_id: store.product(product)!.productId,
        net_quantity: edge.net,
        views: edge.views,
        carts: edge.carts,
        reviews: edge.reviews,
        first_at: new Date(edge.firstTs).toISOString(),
        last_at: new Date(edge.lastTs).toISOString(),
      }
  }
}

/** The graph of live edges as GEXF, for Gephi and the like. Throws UsageError past what fits in memory. */
export function exportGexf({ store, check }: Snapshot): string {
  const { edges } = store.counters()
  if (edges > gexfEdgesMax)
    throw new UsageError(
      `the graph has ${edges} edges, GEXF is written up to ${gexfEdgesMax}: use --format ndjson`,
    )
  const graph = new UndirectedGraph()
  const names = new PersonaNames(store)
  const walker = new Walker(store, activeVersionOf(store))
  for (const product of store.products()) {
    const { productId, title } = store.product(product)!
    graph.addNode(`p${product}`, {
      label: xmlText(title ?? productId),
      kind: 'product',
      name: xmlText(productId),
    })
  }
  for (const user of store.users()) {
    check()
    const row = store.user(user)!
    const primary = names.of(row.version)[row.primary] ?? ''
    graph.addNode(`u${user}`, {
      label: xmlText(row.userId),
      kind: 'user',
      id: xmlText(row.userId),
      status: row.status,
      primary: xmlText(primary),
    })
    for (const { product, weight } of walker.edges(user))
      graph.addEdge(`u${user}`, `p${product}`, { weight: weight / 1000 })
  }
  return writeGexf(graph)
}
