// Lookup of a product: who buys it, as far as labelled buyers say, from its published vector.
import type { ProductIndex } from '../core/ids.ts'
import { publishedOne } from '../core/limits.ts'
import type { PrototypeVersion } from '../core/prototype.ts'
import { rhoOf } from '../core/vector.ts'
import type { StoreReader } from '../store/port.ts'
import { activeVersionOf } from './snapshot.ts'

/** `published`: shares that sum to rho, the part of the walk that labelled buyers (and not the prior one) answer. */
export type ProductAnswer = {
  readonly product_id: string
  readonly title: string | null
  readonly category: string | null
  readonly buyers: number
  /** M(p), in purchases. */
  readonly labelled_mass: number
  readonly rho: number
  readonly published: Readonly<Record<string, number>>
}

type Reading = { readonly store: StoreReader; readonly kappa: number }

/** The product; undefined for one never seen. */
export function lookUpProduct({ store, kappa }: Reading, productId: string): ProductAnswer | undefined {
  const product = store.productIndexOf(productId)
  if (product === undefined) return undefined
  return productAnswerOf({ store, kappa }, { version: activeVersionOf(store), product })
}

export function productAnswerOf(
  { store, kappa }: Reading,
  { version, product }: { version: PrototypeVersion; product: ProductIndex },
): ProductAnswer {
  const { productId, title, category } = store.product(product)!
  const vector = store.vector(version.version, product)
  return {
    product_id: productId,
    title: title ?? null,
    category: category ?? null,
    buyers: store.productDegree(product),
    labelled_mass: (vector?.mass ?? 0) / 1000,
    rho: rhoOf(vector?.mass ?? 0, kappa),
    published: Object.fromEntries(
      version.personas.map(({ name }, c) => [name, (vector?.published[c] ?? 0) / publishedOne]),
    ),
  }
}
