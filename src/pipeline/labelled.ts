// Reading labelled users from a store, for fits and evaluations: their live edges in order of time, the products' words.
import { wordsOf } from '../core/content.ts'
import { edgeWeight, type RepeatPolicy } from '../core/edge.ts'
import { foldOf } from '../core/fit.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import type { LabelledGraph, LabelledUser } from '../core/labelled.ts'
import type { StoreReader } from '../store/port.ts'

/** Labels of one user: shares of one by persona index. */
export type Labels = {
  readonly userIndex: UserIndex
  readonly userId: string
  readonly shares: readonly { readonly persona: number; readonly share: number }[]
}

export type ReadOptions = {
  readonly labels: Iterable<Labels>
  readonly personas: readonly string[]
  readonly repeat: RepeatPolicy
  /** Title and category whose words stand for a product; its own unless said otherwise. */
  readonly textOf?: (product: ProductIndex) => { title: string | undefined; category: string | undefined }
  /** Called between users. */
  readonly check?: () => void
}

/** Reads the graph of `labels`, in their order; who has no live edge is left out. */
export function readLabelled(
  store: StoreReader,
  { labels, personas, repeat, textOf = (product) => store.product(product)!, check }: ReadOptions,
): LabelledGraph {
  const numberOf = new Map<ProductIndex, number>()
  const users: LabelledUser[] = []
  for (const { userIndex, userId, shares } of labels) {
    check?.()
    const edges = [...store.edgesOf(userIndex)]
      .map(({ product, edge }) => ({ product, weight: edgeWeight(edge, repeat), ts: edge.firstTs }))
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => a.ts - b.ts || a.product - b.product)
    if (edges.length === 0) continue
    const given = new Float64Array(personas.length)
    for (const { persona, share } of shares) given[persona] = share
    users.push({
      userId,
      fold: foldOf(userId),
      products: Int32Array.from(edges, ({ product }) => numbered(numberOf, product)),
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
      const { title, category } = textOf(product)
      return wordsOf(title, category)
    }),
    buyers: Float64Array.from(products, (product) => store.productDegree(product)),
  }
}

function numbered(numberOf: Map<ProductIndex, number>, product: ProductIndex): number {
  const known = numberOf.get(product)
  if (known !== undefined) return known
  numberOf.set(product, numberOf.size)
  return numberOf.size - 1
}
