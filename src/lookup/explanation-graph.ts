// An explanation as a graph: the user, the products that carry the answer, the labelled users behind it.
import { UndirectedGraph } from 'graphology'
import { newNeighbours, type StoreReader } from '../store/port.ts'
import type { Explanation } from './explain.ts'
import { writeGexf, xmlText } from './gexf.ts'

/** Attributes of nodes: `share` is the part of the answer that the product or prototype carries. */
type Node = {
  readonly kind: 'user' | 'product' | 'prototype'
  readonly id: string
  readonly label: string
  readonly share?: number
  readonly personas?: string
}

/** Edges are live ones, their weight in purchases; keys are `u`, `p0` …, `k0` … in the explanation's order. */
export function explanationGraph(store: StoreReader, explanation: Explanation): UndirectedGraph {
  const { user_id, products, prototypes, personas } = explanation
  const graph = new UndirectedGraph<Node>()
  const held = personas.map(({ persona }) => persona).join(', ')
  graph.addNode('u', { kind: 'user', id: user_id, label: user_id, personas: held })
  const keyOf = new Map<number, string>()
  for (const [i, { product_id, title, share, weight }] of products.entries()) {
    graph.addNode(`p${i}`, { kind: 'product', id: product_id, label: title ?? product_id, share })
    graph.addEdge('u', `p${i}`, { weight })
    const product = store.productIndexOf(product_id)
    if (product !== undefined) keyOf.set(product, `p${i}`)
  }
  const neighbours = newNeighbours()
  for (const [i, { user_id: id, share, personas: labels }] of prototypes.entries()) {
    graph.addNode(`k${i}`, {
      kind: 'prototype',
      id,
      label: id,
      share,
      personas: Object.keys(labels).join(', '),
    })
    const user = store.userIndexOf(id)
    if (user === undefined) continue
    store.productsOf(user, neighbours)
    for (let n = 0; n < neighbours.length; n++) {
      const product = keyOf.get(neighbours.ids[n]!)
      if (product !== undefined) graph.addEdge(`k${i}`, product, { weight: neighbours.weights[n]! / 1000 })
    }
  }
  return graph
}

/** The same as GEXF; characters that XML cannot hold are replaced. */
export function explanationGexf(graph: UndirectedGraph): string {
  const clean = graph.copy() as UndirectedGraph
  clean.forEachNode((key, attributes) => {
    for (const [name, value] of Object.entries(attributes))
      if (typeof value === 'string') clean.setNodeAttribute(key, name, xmlText(value))
  })
  return writeGexf(clean)
}
