// Money: what tokens cost, and a limit that is asked before each call.
import { UsageError } from '../errors.ts'

/** USD per million tokens. */
export type Prices = { readonly in: number; readonly out: number; readonly source: 'default' | 'given' }

/**
 * List prices of well-known models, USD per million tokens read and written, as of 2025. A default to be checked against
 * the provider's price list: prices change, and a proxy has its own.
 */
const defaultPrices: Readonly<Record<string, readonly [number, number]>> = {
  'gpt-4o-mini': [0.15, 0.6],
  'gpt-4o': [2.5, 10],
  'gpt-4.1': [2, 8],
  'gpt-4.1-mini': [0.4, 1.6],
  'gpt-4.1-nano': [0.1, 0.4],
  'gpt-5': [1.25, 10],
  'gpt-5-mini': [0.25, 2],
  'gpt-5-nano': [0.05, 0.4],
}

/** What the batch API takes of a default price; given prices are taken as they are. */
export const batchDiscount = 0.5

export type PriceSettings = { readonly priceIn?: number | undefined; readonly priceOut?: number | undefined }

/** The prices of a model: those given, or the defaults; undefined for a model that we know nothing of. Throws UsageError. */
export function pricesOf(
  model: string,
  { priceIn, priceOut, batch = false }: PriceSettings & { batch?: boolean },
): Prices | undefined {
  if ((priceIn === undefined) !== (priceOut === undefined))
    throw new UsageError('name both prices, --price-in and --price-out, or none')
  if (priceIn !== undefined && priceOut !== undefined) return { in: priceIn, out: priceOut, source: 'given' }
  const undated = model.replace(/-\d{4}-\d{2}-\d{2}$/, '')
  const known = Object.hasOwn(defaultPrices, undated) ? defaultPrices[undated]! : undefined
  const factor = batch ? batchDiscount : 1
  return known && { in: known[0] * factor, out: known[1] * factor, source: 'default' }
}

/** USD; undefined without prices. */
export function costOf(
  { tokensIn, tokensOut }: { tokensIn: number; tokensOut: number },
  prices: Prices | undefined,
): number | undefined {
  return prices && (tokensIn * prices.in + tokensOut * prices.out) / 1_000_000
}

export type SpendingOptions = {
  readonly maxUsd?: number | undefined
  readonly prices: Prices | undefined
  readonly model: string
}

/**
 * What a run has spent, and may. Before a call its greatest possible cost is reserved; when its cost is known, that takes
 * its place. So calls at the same time cannot pass the limit together.
 */
export class Spending {
  readonly #maxUsd: number
  #spent = 0
  #reserved = 0
  /** Some call could not be sent for the limit. */
  stopped = false

  /** Throws UsageError for a limit that cannot be kept. */
  constructor({ maxUsd, prices, model }: SpendingOptions) {
    if (maxUsd !== undefined && prices === undefined)
      throw new UsageError(
        `--max-cost needs prices, and none is known for the model ${JSON.stringify(model)}: name them with --price-in and --price-out (USD per million tokens)`,
      )
    this.#maxUsd = maxUsd ?? Number.POSITIVE_INFINITY
  }

  get spentUsd(): number {
    return this.#spent
  }

  /** Whether a call that costs `mostUsd` at the most may be made; if so it is reserved. */
  reserve(mostUsd: number): boolean {
    if (this.#spent + this.#reserved + mostUsd > this.#maxUsd) {
      this.stopped = true
      return false
    }
    this.#reserved += mostUsd
    return true
  }

  /** The call cost `usd`; what was reserved for it is free again. */
  settle(mostUsd: number, usd: number): void {
    this.#reserved -= mostUsd
    this.#spent += usd
  }
}
