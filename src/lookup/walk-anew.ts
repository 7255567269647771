// A user's exact walk over published vectors, computed anew from the stored edges: what exports, explanations and
// verification read. Independent of the engine's hot memory.

import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { leaveOneOutVector } from '../core/leave-one-out.ts'
import { publishedOne } from '../core/limits.ts'
import { type PrototypeVersion, priorOf, type ShareList } from '../core/prototype.ts'
import { addScaled } from '../core/walk.ts'
import { newNeighbours, type StoreReader, type VectorRow } from '../store/port.ts'

/** S(u) in whole numbers (thousandths × 2⁻²⁴), W(u) in thousandths, and the newest publication it depends on. */
export type Walk = {
  readonly scores: Float64Array
  readonly weight: number
  readonly degree: number
  readonly publishedAt: number
}

export class Walker {
  readonly store: StoreReader
  readonly version: PrototypeVersion
  readonly #vectors = new Map<ProductIndex, VectorRow | undefined>()
  readonly #neighbours = newNeighbours()

  constructor(store: StoreReader, version: PrototypeVersion) {
    this.store = store
    this.version = version
  }

  get personas(): number {
    return this.version.personas.length
  }

  vector(product: ProductIndex): VectorRow | undefined {
    if (!this.#vectors.has(product)) {
      if (this.#vectors.size >= vectorsMax) this.#vectors.clear()
      this.#vectors.set(product, this.store.vector(this.version.version, product))
    }
    return this.#vectors.get(product)
  }

  /** Live edges of the user: product and weight in thousandths. */
  edges(user: UserIndex): { product: ProductIndex; weight: number }[] {
    this.store.productsOf(user, this.#neighbours)
    return Array.from({ length: this.#neighbours.length }, (_, i) => ({
      product: this.#neighbours.ids[i] as ProductIndex,
      weight: this.#neighbours.weights[i]!,
    }))
  }

  walk(user: UserIndex): Walk {
    const scores = new Float64Array(this.personas)
    let weight = 0
    let publishedAt = 0
    const edges = this.edges(user)
    for (const edge of edges) {
      weight += edge.weight
      const vector = this.vector(edge.product)
      if (vector === undefined) continue
      addScaled(
        { values: scores, offset: 0 },
        { values: vector.published, offset: 0 },
        { weight: edge.weight, personas: this.personas },
      )
      publishedAt = Math.max(publishedAt, vector.publishedAt)
    }
    return { scores, weight, degree: edges.length, publishedAt }
  }

  /** A prototype's own row, leave-one-out: its share taken out of B and M; same units as `walk`. */
  walkLeaveOneOut(user: UserIndex, { shares, kappa }: { shares: ShareList; kappa: number }): Walk {
    const scores = new Float64Array(this.personas)
    const prior = priorOf(this.version)
    const vector = new Float64Array(this.personas)
    let weight = 0
    const edges = this.edges(user)
    for (const edge of edges) {
      weight += edge.weight
      const stored = this.vector(edge.product)
      if (stored === undefined) continue
      leaveOneOutVector(
        { mass: stored.mass, b: stored.b, weight: edge.weight, shares },
        { kappa, prior },
        vector,
      )
      for (let c = 0; c < scores.length; c++) scores[c]! += edge.weight * vector[c]! * publishedOne
    }
    return { scores, weight, degree: edges.length, publishedAt: 0 }
  }
}

/** Vectors kept while many users are walked. */
const vectorsMax = 100_000
