// The running epoch as the engine reads it: its fit, and v(p) of the products seen lately. Made again from the store at any
// time.
import { type ContentModel, contentVector, wordsOf } from '../core/content.ts'
import { type OddsPolicy, oddsPolicyOf } from '../core/decide.ts'
import type { Epoch } from '../core/epoch.ts'
import type { ProductIndex } from '../core/ids.ts'
import type { Row } from '../core/walk.ts'
import { type StoreReader, textUnder } from '../store/port.ts'

/** Products whose v(p) is kept. */
const vectorsMax = 50_000

export class Calibrated {
  readonly epoch: Epoch
  readonly policy: OddsPolicy
  /** Number of the content fit whose words are read, 0 when they are not. */
  readonly head: number
  readonly #model: ContentModel | undefined
  readonly #vectors = new Map<ProductIndex, Row>()

  constructor(
    epoch: Epoch,
    { model, prior, carried }: { model: ContentModel | undefined; prior: Float64Array; carried: Uint8Array },
  ) {
    const read = epoch.evidence === 'both' ? model : undefined
    this.epoch = epoch
    this.head = read === undefined ? 0 : epoch.head
    this.#model = read
    this.policy = oddsPolicyOf({
      calibration: epoch.calibration,
      exit: epoch.exit,
      prior,
      carried,
      bias: read?.bias,
    })
  }

  /** v(p), of the text that the product had when the words were fitted or when it was first seen after. */
  vectorOf(product: ProductIndex, store: StoreReader): Row {
    const kept = this.#vectors.get(product)
    if (kept !== undefined) return kept
    const { title, category } = textUnder(store.product(product)!, this.epoch.head)
    const values = new Float64Array(this.policy.carried.length)
    contentVector(this.#model!, wordsOf(title, category), { out: values, offset: 0 })
    const row = { values, offset: 0 }
    if (this.#vectors.size >= vectorsMax) this.#vectors.clear()
    this.#vectors.set(product, row)
    return row
  }
}

/** The running epoch of a store; undefined when there is none. */
export function calibratedOf(
  store: StoreReader,
  { prior, carried }: { prior: Float64Array; carried: Uint8Array },
): Calibrated | undefined {
  const { epoch } = store.counters()
  const stored = epoch === 0 ? undefined : store.epoch(epoch)
  if (stored === undefined) return undefined
  const model = stored.head === 0 ? undefined : store.contentFit(stored.head)?.model
  return new Calibrated(stored, { model, prior, carried })
}
