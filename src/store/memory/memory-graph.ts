// The user–product graph on graphology: nodes u:<index> and p:<index>, one edge a stored edge. A node keeps its live
// neighbours in slots: appended at the end, a removed one's place taken by the last, as in the LMDB adapter.
import { UndirectedGraph } from 'graphology'
import { assert } from '../../core/assert.ts'
import { type Edge, edgeWeightMaxOf } from '../../core/edge.ts'
import type { ProductIndex } from '../../core/ids.ts'
import type { Rng } from '../../core/rng.ts'
import type { WalkEdge } from '../../core/sampled-walk.ts'
import { ensureCapacity, type Neighbours } from '../port.ts'
import type { UndoLog } from './undo.ts'

export type NodeAttributes = { readonly slots: number[] }
/** Slots are −1 while the weight is 0. */
export type EdgeAttributes = {
  readonly edge: Edge
  readonly weight: number
  readonly userSlot: number
  readonly productSlot: number
}

/** One side's list: whose it is, and how its entries' edges are named. */
type Side = {
  readonly nodeOf: (index: number) => string
  readonly edgeOf: (owner: number, neighbour: number) => string
  readonly slot: 'userSlot' | 'productSlot'
}
const edgeWeightMax = edgeWeightMaxOf('sum')
const edgeKey = (user: number, product: number) => `${user}:${product}`
const userSide: Side = { nodeOf: (user) => `u:${user}`, edgeOf: edgeKey, slot: 'userSlot' }
const productSide: Side = {
  nodeOf: (product) => `p:${product}`,
  edgeOf: (product, user) => edgeKey(user, product),
  slot: 'productSlot',
}

export class MemoryGraph {
  readonly graph = new UndirectedGraph<NodeAttributes, EdgeAttributes>({ allowSelfLoops: false })
  readonly users: SlotLists
  readonly products: SlotLists
  readonly #undo: UndoLog

  constructor(undo: UndoLog) {
    this.#undo = undo
    this.users = new SlotLists(this.graph, undo, userSide)
    this.products = new SlotLists(this.graph, undo, productSide)
  }

  edge(user: number, product: number): Edge | undefined {
    const key = edgeKey(user, product)
    return this.graph.hasEdge(key) ? this.graph.getEdgeAttribute(key, 'edge') : undefined
  }

  /** Every stored edge of a user, by product index. */
  edgesOf(user: number): { product: ProductIndex; edge: Edge }[] {
    const node = userSide.nodeOf(user)
    if (!this.graph.hasNode(node)) return []
    const product = (key: string) => Number(key.slice(key.indexOf(':') + 1)) as ProductIndex
    return this.graph
      .mapEdges(node, (key, { edge }) => ({ product: product(key), edge }))
      .sort((a, b) => a.product - b.product)
  }

  /** Returns the change of the number of live edges. */
  putEdge(user: number, product: number, edge: Edge | undefined, weight: number): number {
    assert(Number.isInteger(weight) && weight >= 0 && weight <= edgeWeightMax, 'weight of an edge')
    assert(edge !== undefined || weight === 0, 'no weight without an edge')
    const key = edgeKey(user, product)
    const liveBefore = this.graph.hasEdge(key) && this.graph.getEdgeAttribute(key, 'weight') > 0
    if (liveBefore && weight === 0) {
      this.users.remove(user, product)
      this.products.remove(product, user)
    }
    if (edge === undefined) this.#dropEdge(key)
    else this.#setEdge(user, product, { edge: Object.freeze({ ...edge }), weight })
    if (!liveBefore && weight > 0) {
      this.users.append(user, product)
      this.products.append(product, user)
    }
    return (weight > 0 ? 1 : 0) - (liveBefore ? 1 : 0)
  }

  #setEdge(user: number, product: number, { edge, weight }: { edge: Edge; weight: number }): void {
    const { graph } = this
    const key = edgeKey(user, product)
    if (graph.hasEdge(key)) {
      const { edge: edgeBefore, weight: weightBefore } = graph.getEdgeAttributes(key)
      this.#undo.add(() => graph.mergeEdgeAttributes(key, { edge: edgeBefore, weight: weightBefore }))
      graph.mergeEdgeAttributes(key, { edge, weight })
      return
    }
    const attributes = { edge, weight, userSlot: -1, productSlot: -1 }
    this.#undo.add(() => graph.dropEdge(key))
    graph.addUndirectedEdgeWithKey(key, userSide.nodeOf(user), productSide.nodeOf(product), attributes)
  }

  #dropEdge(key: string): void {
    const { graph } = this
    if (!graph.hasEdge(key)) return
    const attributes = graph.getEdgeAttributes(key)
    const [source, target] = graph.extremities(key)
    this.#undo.add(() => graph.addUndirectedEdgeWithKey(key, source, target, attributes))
    graph.dropEdge(key)
  }
}

/** The lists of all users, or of all products. An entry's weight is its edge's. */
class SlotLists {
  readonly #graph: UndirectedGraph<NodeAttributes, EdgeAttributes>
  readonly #undo: UndoLog
  readonly #side: Side

  constructor(graph: UndirectedGraph<NodeAttributes, EdgeAttributes>, undo: UndoLog, side: Side) {
    this.#graph = graph
    this.#undo = undo
    this.#side = side
  }

  addNode(index: number): void {
    const node = this.#side.nodeOf(index)
    this.#undo.add(() => this.#graph.dropNode(node))
    this.#graph.addNode(node, { slots: [] })
  }

  removeNode(index: number): void {
    const node = this.#side.nodeOf(index)
    assert(this.#graph.degree(node) === 0, 'edges are removed before their user')
    const slots = this.#slots(index) // the same array comes back: earlier steps of the undo log change it
    this.#undo.add(() => this.#graph.addNode(node, { slots }))
    this.#graph.dropNode(node)
  }

  length(index: number): number {
    return this.#slots(index).length
  }

  at(index: number, slot: number, into: WalkEdge): void {
    const neighbour = this.#slots(index)[slot]
    assert(neighbour !== undefined, 'slot within its list')
    into.neighbour = neighbour
    into.weight = this.#weight(index, neighbour)
  }

  /** An entry drawn evenly; false for an empty list. */
  draw(index: number, rng: Rng, into: WalkEdge): boolean {
    const length = this.length(index)
    if (length > 0) this.at(index, rng.below(length), into)
    return length > 0
  }

  all(index: number, into: Neighbours): void {
    const slots = this.#slots(index)
    ensureCapacity(into, slots.length)
    into.length = slots.length
    slots.forEach((neighbour, slot) => {
      into.ids[slot] = neighbour
      into.weights[slot] = this.#weight(index, neighbour)
    })
  }

  append(index: number, neighbour: number): void {
    const slots = this.#slots(index)
    this.#undo.add(() => slots.pop())
    slots.push(neighbour)
    this.#setSlot(index, neighbour, slots.length - 1)
  }

  /** Takes `neighbour` out; the last entry moves into its place and its edge learns so. */
  remove(index: number, neighbour: number): void {
    const slots = this.#slots(index)
    const slot = this.#graph.getEdgeAttribute(this.#side.edgeOf(index, neighbour), this.#side.slot)
    assert(slots[slot] === neighbour, 'a live edge is at its slot')
    this.#setSlot(index, neighbour, -1)
    const last = slots.pop()!
    if (last !== neighbour) {
      slots[slot] = last
      this.#setSlot(index, last, slot)
    }
    this.#undo.add(() => {
      if (last !== neighbour) slots[slot] = neighbour
      slots.push(last)
    })
  }

  #setSlot(index: number, neighbour: number, slot: number): void {
    const graph = this.#graph
    const key = this.#side.edgeOf(index, neighbour)
    const before = graph.getEdgeAttribute(key, this.#side.slot)
    this.#undo.add(() => graph.setEdgeAttribute(key, this.#side.slot, before))
    graph.setEdgeAttribute(key, this.#side.slot, slot)
  }

  #slots(index: number): number[] {
    const node = this.#side.nodeOf(index)
    return this.#graph.hasNode(node) ? this.#graph.getNodeAttribute(node, 'slots') : []
  }

  #weight(index: number, neighbour: number): number {
    return this.#graph.getEdgeAttribute(this.#side.edgeOf(index, neighbour), 'weight')
  }
}
