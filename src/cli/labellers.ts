// Labellers as commands open them: settings and flags, the lock of the labelling directory, the API's client and prices.
import type { Config } from '../config.ts'
import type { PersonaDefinition } from '../core/prototype.ts'
import { UsageError } from '../errors.ts'
import { eraseFromLabelling } from '../labelling/erase-labelling.ts'
import { labellingDir } from '../labelling/files.ts'
import type { Spent } from '../labelling/paid-calls.ts'
import type { Labeller } from '../labelling/port.ts'
import { lockLabelling } from '../labelling-lock.ts'
import { requireData } from '../profiler.ts'
import type { StoreReader } from '../store/port.ts'
import { reading } from './context.ts'

export const labellerKinds = ['openai', 'keyword', 'embedding'] as const
export type LabellerKind = (typeof labellerKinds)[number]

/** Of an API: what flags say over the settings. */
export type ApiFlags = {
  readonly model?: string
  readonly baseUrl?: string
  readonly concurrency?: string
  readonly tokenBudget?: string
  readonly priceIn?: string
  readonly priceOut?: string
}

export type PaidOpening = {
  readonly dir: string
  readonly config: Config
  readonly role: string
  readonly maxCost?: number | undefined
  readonly retryFailed?: boolean
  readonly batch?: boolean
  /** No call is made: no key is needed. */
  readonly dryRun?: boolean
}

export type OpenLabeller = AsyncDisposable & {
  readonly labeller: Labeller
  /** What was paid; undefined for labellers that cost nothing. */
  readonly spent: () => Spent | undefined
  readonly prices?: { readonly in: number; readonly out: number; readonly source: string } | undefined
}

/** Flags over settings, for `configOf`. */
export function apiOverrides(flags: ApiFlags): Partial<Config> {
  const { model, baseUrl, concurrency, tokenBudget, priceIn, priceOut } = flags
  const given = {
    labelModel: model,
    labelBaseUrl: baseUrl,
    labelConcurrency: concurrency,
    labelTokenBudget: tokenBudget,
    labelPriceIn: priceIn,
    labelPriceOut: priceOut,
  }
  // the schema of the settings turns texts into what they are, and says what is wrong with them
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as Partial<Config>
}

/** Opens a labeller for a persona set. Throws UsageError, LockedError, FatalError. */
export async function openLabeller(
  kind: LabellerKind,
  {
    personas,
    onState,
    ...opening
  }: PaidOpening & {
    readonly personas: readonly PersonaDefinition[]
    readonly onState?: (state: string) => void
  },
): Promise<OpenLabeller> {
  switch (kind) {
    case 'keyword': {
      const { keywordLabeller } = await import('../labelling/keyword-labeller.ts')
      return free(keywordLabeller(personas))
    }
    case 'embedding': {
      const { embeddingLabeller, loadMiniLm } = await import('../labelling/embedding-labeller.ts')
      requireData(opening.dir)
      const reference = await reading({ data: opening.dir }, titlesOf)
      return free(embeddingLabeller({ personas, reference, ...(await loadMiniLm()) }))
    }
    case 'openai': {
      const { openAiLabeller } = await import('../labelling/openai-labeller.ts')
      const paid = await openPaidCalls(opening)
      const { labelTokenBudget, labelAnswerTokens, labelConcurrency, labelBatchPollMs } = opening.config
      const labeller = openAiLabeller({
        calls: paid.calls,
        personas,
        tokenBudget: labelTokenBudget,
        answerTokensMax: labelAnswerTokens,
        concurrency: labelConcurrency,
        batch: opening.batch
          ? { pollMs: labelBatchPollMs, onState: onState ?? (() => undefined) }
          : undefined,
      })
      return {
        labeller,
        spent: () => paid.calls.spent(),
        prices: paid.calls.options.prices,
        [Symbol.asyncDispose]: () => paid[Symbol.asyncDispose](),
      }
    }
  }
}

/** Ledger, cache and client of an API, locked. The SDK is loaded here, for it takes a tenth of a second. */
export async function openPaidCalls(opening: PaidOpening) {
  const { config, maxCost, batch = false, retryFailed, dryRun = false } = opening
  const [{ ApiClient }, { PaidCalls }, { pricesOf }] = await Promise.all([
    import('../labelling/openai-client.ts'),
    import('../labelling/paid-calls.ts'),
    import('../labelling/cost.ts'),
  ])
  const model = config.labelModel
  const prices = pricesOf(model, {
    batch,
    priceIn: numberOr(config.labelPriceIn),
    priceOut: numberOr(config.labelPriceOut),
  })
  const client = new ApiClient({
    baseUrl: config.labelBaseUrl,
    apiKey: dryRun ? 'none' : apiKeyOf(config),
    timeoutMs: config.labelTimeoutMs,
    retries: config.labelRetries,
  })
  requireData(opening.dir)
  const dir = labellingDir(opening.dir)
  const lock = lockLabelling(opening.dir, opening.role)
  try {
    // an erasure may have come by another way than `erase`: as a record that was replayed
    await reading({ data: opening.dir }, (store) =>
      eraseFromLabelling(dir, (userId) => store.userIndexOf(userId) === undefined),
    )
    const calls = new PaidCalls({ dir, client, model, prices, maxUsd: maxCost, retryFailed, now: Date.now })
    return {
      calls,
      async [Symbol.asyncDispose]() {
        calls.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** The titles of all products that have one. */
export function titlesOf(store: StoreReader): string[] {
  return [...store.products()].flatMap((product) => store.product(product)!.title ?? [])
}

function free(labeller: Labeller): OpenLabeller {
  return { labeller, spent: () => undefined, async [Symbol.asyncDispose]() {} }
}

function apiKeyOf({ openaiApiKey }: Config): string {
  const key = openaiApiKey || process.env.OPENAI_API_KEY
  if (!key)
    throw new UsageError(
      'there is no API key: set KINDRED_OPENAI_API_KEY (or OPENAI_API_KEY), or label with --labeller keyword or embedding',
    )
  return key
}

function numberOr(text: string): number | undefined {
  return text === '' ? undefined : Number(text)
}
