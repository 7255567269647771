// Contract of the store, the model of its slot lists: plain arrays, a removed entry's place taken by the last one.
import type { Edge } from '../../src/core/edge.ts'
import type { Entry } from './store-fixtures.ts'

/** Weight −1 removes the edge. */
export type Step = { user: number; product: number; weight: number }

export class SlotModel {
  readonly #lists = new Map<string, Entry[]>()
  readonly #edges = new Map<string, Step & { edge: Edge | undefined }>()
  #made = 0

  copy(): SlotModel {
    const copy = new SlotModel()
    for (const [key, list] of this.#lists) copy.#lists.set(key, [...list])
    for (const [key, entry] of this.#edges) copy.#edges.set(key, entry)
    return copy
  }

  next(): number {
    return ++this.#made
  }

  put({ user, product, weight }: Step, edge: Edge | undefined): void {
    this.#edges.set(`${user} ${product}`, { user, product, weight, edge })
    this.#set(this.listOf('u', user), product, weight)
    this.#set(this.listOf('p', product), user, weight)
  }

  #set(list: Entry[], neighbour: number, weight: number): void {
    const slot = list.findIndex((entry) => entry.neighbour === neighbour)
    if (weight > 0 && slot < 0) list.push({ neighbour, weight })
    else if (weight > 0) list[slot] = { neighbour, weight }
    else if (slot >= 0) {
      const last = list.pop()!
      if (slot < list.length) list[slot] = last
    }
  }

  listOf(side: 'u' | 'p', node: number): Entry[] {
    const key = `${side}:${node}`
    const list = this.#lists.get(key) ?? []
    this.#lists.set(key, list)
    return list
  }

  lists(): ['u' | 'p', number, Entry[]][] {
    return [...this.#lists].map(([key, list]) => [key[0] as 'u' | 'p', Number(key.slice(2)), list])
  }

  edges(): Iterable<Step & { edge: Edge | undefined }> {
    return this.#edges.values()
  }

  live(): number {
    return [...this.#edges.values()].filter(({ weight }) => weight > 0).length
  }
}
