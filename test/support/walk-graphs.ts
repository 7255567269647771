// Small weighted graphs, and the exact walks over them by sparse product: what sampled walks are held against.
import fc from 'fast-check'
import type { Rng } from '../../src/core/rng.ts'
import type { WalkEdge, WalkGraph } from '../../src/core/sampled-walk.ts'

export type WeightedList = readonly { readonly neighbour: number; readonly weight: number }[]

/** Lists by user and by product, and what is published of each product, whole numbers of 2⁻²⁴. */
export type Graph = {
  readonly ofUser: ReadonlyMap<number, WeightedList>
  readonly ofProduct: ReadonlyMap<number, WeightedList>
  readonly published: ReadonlyMap<number, readonly number[]>
  readonly personas: number
}

export const personaCount = 3

export const graphArbitrary: fc.Arbitrary<Graph> = fc
  .record({
    edges: fc.array(
      fc.record({
        user: fc.nat({ max: 11 }),
        product: fc.nat({ max: 9 }),
        weight: fc.constantFrom(300, 500, 800, 1000, 2100),
      }),
      { minLength: 15, maxLength: 60 },
    ),
    published: fc.array(
      fc.oneof(
        fc.constant([0, 0, 0]),
        fc.array(fc.nat({ max: 2 ** 22 }), { minLength: personaCount, maxLength: personaCount }),
      ),
      { minLength: 10, maxLength: 10 },
    ),
  })
  .map(({ edges, published }) => graphOf([{ user: 0, product: 0, weight: 1000 }, ...edges], published))

export function graphOf(
  edges: readonly { user: number; product: number; weight: number }[],
  published: readonly (readonly number[])[],
): Graph {
  const weights = new Map(edges.map((edge) => [`${edge.user}:${edge.product}`, edge]))
  const ofUser = new Map<number, { neighbour: number; weight: number }[]>()
  const ofProduct = new Map<number, { neighbour: number; weight: number }[]>()
  for (const { user, product, weight } of weights.values()) {
    ofUser.set(user, [...(ofUser.get(user) ?? []), { neighbour: product, weight }])
    ofProduct.set(product, [...(ofProduct.get(product) ?? []), { neighbour: user, weight }])
  }
  const vectors = new Map(published.map((vector, product) => [product, vector]))
  return { ofUser, ofProduct, published: vectors, personas: published[0]!.length }
}

/** The graph as the sampler reads it. */
export function walkGraphOf({ ofUser, ofProduct, published }: Graph): WalkGraph {
  const draw = (list: WeightedList | undefined, rng: Rng, edge: WalkEdge) => {
    if (list === undefined || list.length === 0) return false
    Object.assign(edge, list[rng.below(list.length)])
    return true
  }
  return {
    weightMax: 2100,
    drawProduct: (user, rng, edge) => draw(ofUser.get(user), rng, edge),
    drawUser: (product, rng, edge) => draw(ofProduct.get(product), rng, edge),
    publishedOf: (product, out) => out.set(published.get(product) ?? out.map(() => 0)),
  }
}

/** Where a walk of `moves` weighted moves (an odd number) from `user` ends, by product. */
export function exactEnds(
  { ofUser, ofProduct }: Pick<Graph, 'ofUser' | 'ofProduct'>,
  user: number,
  moves: number,
) {
  let at = new Map([[user, 1]])
  for (let move = 1; move <= moves; move++) at = moved(at, move % 2 === 1 ? ofUser : ofProduct)
  return at
}

function moved(
  at: ReadonlyMap<number, number>,
  lists: ReadonlyMap<number, WeightedList>,
): Map<number, number> {
  const to = new Map<number, number>()
  for (const [node, share] of at) {
    const list = lists.get(node)!
    const total = list.reduce((sum, { weight }) => sum + weight, 0)
    for (const { neighbour, weight } of list)
      to.set(neighbour, (to.get(neighbour) ?? 0) + (share * weight) / total)
  }
  return to
}

/** Mean and standard deviation, by persona, of the published vector at the end of a walk (2⁻²⁴). */
export function momentsOf(
  graph: Graph,
  user: number,
  moves: number,
): { readonly mean: readonly number[]; readonly deviation: readonly number[] } {
  const ends = [...exactEnds(graph, user, moves)]
  const expected = (value: (vector: readonly number[]) => number) =>
    ends.reduce((sum, [product, share]) => sum + share * value(graph.published.get(product)!), 0)
  const personas = Array.from({ length: graph.personas }, (_, persona) => persona)
  const mean = personas.map((persona) => expected((vector) => vector[persona]!))
  const deviation = personas.map((persona) =>
    Math.sqrt(expected((vector) => (vector[persona]! - mean[persona]!) ** 2)),
  )
  return { mean, deviation }
}
