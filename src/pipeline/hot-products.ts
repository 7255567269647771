// Published vectors kept hot: one flat array, a row a product. All of it can be read again from the store.
import type { ProductIndex } from '../core/ids.ts'
import type { Row } from '../core/walk.ts'
import type { HotUse } from '../metrics/ingest-metrics.ts'
import type { StoreReader } from '../store/port.ts'

/** Bytes of a product beside its vector: its place. */
const overheadBytes = 4

export class HotProducts {
  readonly #personas: number
  readonly #rowsMax: number
  /** Row + 1 by product index, 0 for a product that is not hot: four bytes a known product. */
  #rows = new Int32Array(1024)
  #used = 0
  #values: Float64Array
  /** Reused: a Row is valid until the next call. */
  readonly #row: { values: Float64Array; offset: number }

  constructor(personas: number, bytesMax: number) {
    this.#personas = personas
    this.#rowsMax = Math.max(64, Math.floor(bytesMax / (personas * 8 + overheadBytes)))
    this.#values = new Float64Array(64 * personas)
    this.#row = { values: this.#values, offset: 0 }
  }

  /** b̂(p), read from the store on first use; valid until the next call. */
  published(product: ProductIndex, { store, version }: { store: StoreReader; version: number }): Row {
    let at = this.#rowOf(product)
    if (at < 0) {
      at = this.#add(product)
      const vector = store.vector(version, product)
      if (vector === undefined) this.#values.fill(0, at, at + this.#personas)
      else this.#values.set(vector.published, at)
    }
    this.#row.values = this.#values
    this.#row.offset = at
    return this.#row
  }

  /** A product was published: what is hot follows. */
  publish(product: ProductIndex, published: Float64Array): void {
    const at = this.#rowOf(product)
    if (at >= 0) this.#values.set(published, at)
  }

  get use(): HotUse {
    const rowBytes = this.#personas * 8 + overheadBytes
    return { entries: this.#used, bytes: this.#used * rowBytes, bytesMax: this.#rowsMax * rowBytes }
  }

  clear(): void {
    this.#rows.fill(0)
    this.#used = 0
  }

  /** Where the product's row begins, below 0 when it is not hot. */
  #rowOf(product: ProductIndex): number {
    const row = product < this.#rows.length ? this.#rows[product]! : 0
    return (row - 1) * this.#personas
  }

  #add(product: ProductIndex): number {
    if (this.#used >= this.#rowsMax) this.clear()
    const at = this.#used++ * this.#personas
    if (at + this.#personas > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2)
      grown.set(this.#values)
      this.#values = grown
    }
    if (product >= this.#rows.length) {
      const grown = new Int32Array(product * 2)
      grown.set(this.#rows)
      this.#rows = grown
    }
    this.#rows[product] = this.#used
    return at
  }
}
