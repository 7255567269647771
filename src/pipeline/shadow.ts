// The next prototype-set version, built from the stored edges beside the running one, in slices between batches.
// B and M are sums of whole numbers, so what events add meanwhile and what the scan adds come out the same in any order.
import type { ProductIndex } from '../core/ids.ts'
import type { ShareList } from '../core/prototype.ts'
import { newNeighbours, type StoreReader } from '../store/port.ts'

export type ShadowVector = { mass: number; b: Float64Array }

export class Shadow {
  readonly version: number
  readonly labels: Map<string, ShareList>
  readonly vectors = new Map<ProductIndex, ShadowVector>()
  readonly #personas: number
  readonly #waiting: string[]
  readonly #scanned = new Set<string>()
  readonly #neighbours = newNeighbours()

  constructor({
    version,
    personas,
    labels,
  }: { version: number; personas: number; labels: Iterable<{ userId: string; shares: ShareList }> }) {
    this.version = version
    this.#personas = personas
    this.labels = new Map([...labels].map(({ userId, shares }) => [userId, shares]))
    this.#waiting = [...this.labels.keys()].reverse()
  }

  get complete(): boolean {
    return this.#waiting.length === 0
  }

  /** Prototypes whose edges are still to be read. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Scans prototypes until about `edgesMax` edges were read. */
  build(store: StoreReader, edgesMax: number): void {
    let edges = 0
    while (edges < edgesMax && this.#waiting.length > 0) {
      const userId = this.#waiting.pop()!
      const shares = this.labels.get(userId)
      const user = store.userIndexOf(userId)
      this.#scanned.add(userId)
      if (user === undefined || shares === undefined) continue
      store.productsOf(user, this.#neighbours)
      for (let i = 0; i < this.#neighbours.length; i++)
        this.#add(this.#neighbours.ids[i] as ProductIndex, this.#neighbours.weights[i]!, shares)
      edges += 1 + this.#neighbours.length
    }
  }

  /** An event changed w(user, product) by `change`; a prototype not scanned yet shows it when it is. */
  follow(userId: string, product: ProductIndex, change: number): void {
    const shares = this.labels.get(userId)
    if (shares !== undefined && change !== 0 && this.#scanned.has(userId)) this.#add(product, change, shares)
  }

  /** The user is erased: their label goes (their edges went before). */
  forget(userId: string): void {
    this.labels.delete(userId)
  }

  #add(product: ProductIndex, weight: number, shares: ShareList): void {
    const vector = this.vectors.get(product) ?? { mass: 0, b: new Float64Array(this.#personas) }
    this.vectors.set(product, vector)
    vector.mass += weight
    for (const { persona, share } of shares) vector.b[persona]! += weight * share
  }
}
