// What the engine knows, by external ids: rows and vectors of the store, exact scores walked over them, and hot ones.
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import type { ProductIndex, UserIndex } from '../../src/core/ids.ts'
import type { Engine } from '../../src/pipeline/engine.ts'
import { newNeighbours, type StoreReader, type UserRow } from '../../src/store/port.ts'
import type { OracleChange } from '../oracle/stream.ts'

export type Score = { readonly W: number; readonly S: readonly number[] }

export type UserView = {
  readonly status: UserRow['status']
  readonly method: UserRow['method']
  readonly version: number
  readonly sequence: number
  /** Persona → since when, by persona index. */
  readonly held: Readonly<Record<string, number>>
  readonly primary: string | null
  /** Walked anew here over live edges and published vectors; of a prototype undefined. */
  readonly exact: Score | undefined
  /** Label shares of a prototype, ends of a sampled walk; else undefined: the row may trail the exact score by delta. */
  readonly row: { readonly scores: readonly number[]; readonly scoreWeight: number } | undefined
  readonly halfWidth: number
  /** Position that a sampled answer is of. */
  readonly sampledAt: number | undefined
  /** Every stored edge, live or not, by product id. */
  readonly edges: Readonly<Record<string, unknown>>
}

export type ProductView = {
  readonly title: string | undefined
  readonly buyers: number
  readonly M: number
  readonly B: readonly number[]
  readonly published: readonly number[]
  readonly publishedAt: number
}

/** Plain data, in order of ids: two equal states have equal views. */
export type EngineView = {
  readonly personas: readonly string[]
  readonly users: ReadonlyMap<string, UserView>
  readonly products: ReadonlyMap<string, ProductView>
}

export function viewOf(store: StoreReader): EngineView {
  const { version } = store.counters()
  const personas = store.version(version)?.personas.map(({ name }) => name) ?? []
  const products = new Map<string, ProductView>()
  const productIds = new Map<ProductIndex, string>()
  for (const product of store.products()) {
    const vector = store.vector(version, product)
    const { productId, title } = store.product(product)!
    productIds.set(product, productId)
    products.set(productId, {
      title,
      buyers: store.productDegree(product),
      M: vector?.mass ?? 0,
      B: [...(vector?.b ?? personas.map(() => 0))],
      published: [...(vector?.published ?? personas.map(() => 0))],
      publishedAt: vector?.publishedAt ?? 0,
    })
  }
  const users = new Map<string, UserView>()
  for (const user of store.users()) {
    const row = store.user(user)!
    users.set(row.userId, userViewOf(store, { user, row, personas, productIds }))
  }
  return { personas, users: sorted(users), products: sorted(products) }
}

function userViewOf(
  store: StoreReader,
  {
    user,
    row,
    personas,
    productIds,
  }: {
    user: UserIndex
    row: UserRow
    personas: readonly string[]
    productIds: ReadonlyMap<ProductIndex, string>
  },
): UserView {
  const { status, method, version, sequence, halfWidth, scoreWeight } = row
  const edges = [...store.edgesOf(user)].map(
    ({ product, edge }) => [productIds.get(product)!, { ...edge }] as const,
  )
  return {
    status,
    method,
    version,
    sequence,
    held: Object.fromEntries(row.held.map(({ persona, since }) => [personas[persona]!, since])),
    primary: personas[row.primary] ?? null,
    exact: status === 'prototype' ? undefined : exactScoreOf(store, user, personas.length),
    row:
      status === 'prototype' || method === 'sampled' ? { scores: [...row.scores], scoreWeight } : undefined,
    halfWidth,
    sampledAt: method === 'sampled' ? row.position : undefined,
    edges: Object.fromEntries(edges.sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}

const neighbours = newNeighbours()

/** S(u) and W(u) anew, over the store's lists and vectors. */
export function exactScoreOf(store: StoreReader, user: UserIndex, personas: number): Score {
  const { version } = store.counters()
  const S = new Array<number>(personas).fill(0)
  let W = 0
  store.productsOf(user, neighbours)
  for (let i = 0; i < neighbours.length; i++) {
    const weight = neighbours.weights[i]!
    W += weight
    store.vector(version, neighbours.ids[i] as ProductIndex)?.published.forEach((entry, persona) => {
      S[persona]! += weight * entry
    })
  }
  return { W, S }
}

/** The score that hot memory holds of a user; undefined for one that is not hot. */
export function hotScoreOf({ users }: Engine, user: UserIndex): Score | undefined {
  const slot = users.slotOf(user)
  if (slot === undefined) return undefined
  const from = slot * users.personas
  return { W: users.weight[slot]!, S: [...users.scores.subarray(from, from + users.personas)] }
}

/** Change events as the oracle spells them: `positions` by offset; sets sorted. Order: position, then user. */
export function oracleChangesOf(lines: readonly string[], positions: readonly number[]): OracleChange[] {
  const names = (entries: ChangeEvent['personas']) => entries.map(({ persona }) => persona)
  return inOrder(
    lines
      .map((line) => JSON.parse(line) as ChangeEvent)
      .map(({ cause, user_id, sequence, status, entered, exited, personas, primary, previous_primary }) => ({
        position: positions[cause.position]!,
        user_id,
        sequence,
        status: status as OracleChange['status'],
        entered: names(entered),
        exited: names(exited),
        personas: names(personas),
        primary,
        previous_primary,
      })),
  )
}

/** Sets of names sorted, changes by position and user. */
export function inOrder(changes: readonly OracleChange[]): OracleChange[] {
  return changes
    .map((change) => ({
      ...change,
      entered: [...change.entered].sort(),
      exited: [...change.exited].sort(),
      personas: [...change.personas].sort(),
    }))
    .sort((a, b) => a.position - b.position || (a.user_id < b.user_id ? -1 : 1))
}

function sorted<T>(map: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}
