// An explanation as a graph: the user, the products that carry the answer, the labelled users behind it.
import { UndirectedGraph } from 'graphology'
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
type Edge = { readonly weight: number; readonly share?: number }

/** Nodes are `u`, `p0` …, `k0` … in the explanation's order; edges have a weight in purchases, and paths their share. */
export function explanationGraph(explanation: Explanation): UndirectedGraph {
  const { user_id, products, prototypes, paths, personas } = explanation
  const graph = new UndirectedGraph<Node>()
  const join = (a: string, b: string, attributes: Edge) =>
    graph.addUndirectedEdgeWithKey(`${a}-${b}`, a, b, attributes)
  const held = personas.map(({ persona }) => persona).join(', ')
  graph.addNode('u', { kind: 'user', id: user_id, label: user_id, personas: held })
  const productKeys = new Map<string, string>()
  for (const [i, { product_id, title, share, weight }] of products.entries()) {
    const key = `p${i}`
    graph.addNode(key, { kind: 'product', id: product_id, label: title ?? product_id, share })
    join('u', key, { weight })
    productKeys.set(product_id, key)
  }
  const prototypeKeys = new Map<string, string>()
  for (const [i, { user_id: id, share, personas: labels }] of prototypes.entries()) {
    const key = `k${i}`
    graph.addNode(key, { kind: 'prototype', id, label: id, share, personas: Object.keys(labels).join(', ') })
    prototypeKeys.set(id, key)
  }
  for (const { product_id, prototype, weight, share } of paths) {
    const product = productKeys.get(product_id)
    const labelled = prototypeKeys.get(prototype)
    if (product !== undefined && labelled !== undefined) join(labelled, product, { weight, share })
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
