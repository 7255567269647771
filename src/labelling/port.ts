// Port of the labeller: shoppers in, for each of them either personas with a probability, or why there are none.
// Callers may rely on: every shopper given comes out exactly once, in any order; a persona named is one of the set; what
// was yielded before a throw stands, and is not paid for again by the next run.

/** One product of a purchase history. */
export type BasketLine = {
  readonly title: string
  /** Units bought less units returned; see `shoppers.ts` on what that says. */
  readonly times: number
  /** Time of the last interaction, ms. */
  readonly lastTs: number
}

export type Shopper = { readonly userId: string; readonly basket: readonly BasketLine[] }

/** Persona name → probability in (0, 1]; 1 to `personasPerShopperMax` of them. They need not sum to one. */
export type PersonaProbabilities = Readonly<Record<string, number>>

export type Labelling = {
  readonly userId: string
  readonly personas: PersonaProbabilities | 'unrepresentable'
  readonly rationale: string
  /** Who says so: `keyword`, `openai:gpt-4o-mini`, `embedding:minilm-l6-v2`. */
  readonly labeller: string
}

/** Why a shopper could not be labelled. */
export type FailureReason =
  // what was answered cannot be used: asked for again only when told to
  | 'unknown_persona'
  | 'unknown_user'
  | 'refusal'
  | 'cut_off'
  | 'content_filter'
  | 'malformed'
  | 'no_choices'
  // nothing was answered: asked for again by the next run
  | 'rate_limited'
  | 'server_error'
  | 'timeout'
  | 'connection'
  | 'rejected'
  | 'batch_failed'
  | 'batch_expired'
  | 'batch_cancelled'

export type Failure = {
  readonly reason: FailureReason
  /** One sentence. */
  readonly detail: string
  /** An answer came and was charged, so the next run does not ask again by itself. */
  readonly paid: boolean
}

export type LabelResult =
  | { readonly kind: 'labelled'; readonly labelling: Labelling }
  | ({ readonly kind: 'failed'; readonly userId: string } & Failure)
  /** Not asked for: the call could have passed the cost limit. */
  | { readonly kind: 'not_sent'; readonly userId: string }

/** What labelling would take. Money in USD; undefined where there are no prices. */
export type Estimate = {
  readonly shoppers: number
  /** Answers that are there already. */
  readonly cached: number
  readonly calls: number
  readonly tokensIn: number
  readonly tokensOut: number
  readonly costUsd: number | undefined
  /** What it cannot pass: every byte a token, every answer as long as it may be. */
  readonly costUsdMax: number | undefined
}

export type Labeller = {
  readonly name: string
  label(shoppers: readonly Shopper[]): AsyncIterable<LabelResult>
  estimate(shoppers: readonly Shopper[]): Estimate
}

/** As published: a shopper is one to five personas. */
export const personasPerShopperMax = 5

/** What an offline labeller takes. */
export function freeEstimate(shoppers: readonly Shopper[]): Estimate {
  return {
    shoppers: shoppers.length,
    cached: 0,
    calls: 0,
    tokensIn: 0,
    tokensOut: 0,
    costUsd: 0,
    costUsdMax: 0,
  }
}
