// The part of the graph that an evaluation reads: the labelled users' live edges in order of time, the products' words.
import { wordsOf } from '../core/content.ts'
import { edgeWeight, type RepeatPolicy } from '../core/edge.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import type { StoreReader } from '../store/port.ts'

/** A labelled user who has bought something. `shares[c]` are label shares that sum to one; `labels[c]` is 1 above zero. */
export type LabelledUser = {
  readonly userId: string
  readonly userIndex: UserIndex
  /** Dense product numbers with weights (thousandths), by the time of the first interaction. */
  readonly products: Int32Array
  readonly weights: Float64Array
  /** First interaction with each product, ms. */
  readonly times: Float64Array
  readonly shares: Float64Array
  readonly labels: Uint8Array
}

export type LabelledGraph = {
  readonly personas: readonly string[]
  readonly users: readonly LabelledUser[]
  /** Words of each product by dense number, and the number of all its buyers, labelled or not. */
  readonly words: readonly (readonly string[])[]
  readonly buyers: Float64Array
  /** Labelled users who are not in the store or have no live edge: never part of any figure. */
  readonly absent: number
}

/** Labels of one user: shares of one by persona index. */
export type Labels = {
  readonly userId: string
  readonly shares: readonly { persona: number; share: number }[]
}

/** Reads the graph of `labels` from a store, in the labels' order. */
export function readGraph(
  store: StoreReader,
  {
    labels,
    personas,
    repeat,
    check,
  }: { labels: readonly Labels[]; personas: readonly string[]; repeat: RepeatPolicy; check: () => void },
): LabelledGraph {
  const numberOf = new Map<ProductIndex, number>()
  const users: LabelledUser[] = []
  for (const { userId, shares } of labels) {
    check()
    const userIndex = store.userIndexOf(userId)
    if (userIndex === undefined) continue
    const edges = [...store.edgesOf(userIndex)]
      .map(({ product, edge }) => ({ product, weight: edgeWeight(edge, repeat), ts: edge.firstTs }))
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => a.ts - b.ts || a.product - b.product)
    if (edges.length === 0) continue
    const given = new Float64Array(personas.length)
    for (const { persona, share } of shares) given[persona] = share
    users.push({
      userId,
      userIndex,
      products: Int32Array.from(edges, ({ product }) => {
        if (!numberOf.has(product)) numberOf.set(product, numberOf.size)
        return numberOf.get(product)!
      }),
      weights: Float64Array.from(edges, ({ weight }) => weight),
      times: Float64Array.from(edges, ({ ts }) => ts),
      shares: given,
      labels: Uint8Array.from(given, (share) => (share > 0 ? 1 : 0)),
    })
  }
  const products = [...numberOf.keys()]
  return {
    personas,
    users,
    words: products.map((product) => {
      const row = store.product(product)!
      return wordsOf(row.title, row.category)
    }),
    buyers: Float64Array.from(products, (product) => store.productDegree(product)),
    absent: labels.length - users.length,
  }
}

/** The user with the first `count` products alone: what was known of them then. */
export function earlier(user: LabelledUser, count: number): LabelledUser {
  return {
    ...user,
    products: user.products.subarray(0, count),
    weights: user.weights.subarray(0, count),
    times: user.times.subarray(0, count),
  }
}
