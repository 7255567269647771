// Invented shoppers and personas for labelling, and paid calls to a fake API from a directory that goes away.
import { join } from 'node:path'
import { ApiClient } from '../../src/labelling/openai-client.ts'
import { openAiLabeller } from '../../src/labelling/openai-labeller.ts'
import { PaidCalls, type PaidOptions } from '../../src/labelling/paid-calls.ts'
import type { Labeller, Shopper } from '../../src/labelling/port.ts'
import { withDirectory } from './command.ts'
import { type FakeOpenAi, startFakeOpenAi } from './fake-openai.ts'

export const personas = [
  {
    name: 'home baker',
    description: 'Bakes bread and cakes at home, and buys tins, flour and icing for it.',
    keywords: ['baking', 'cake', 'icing', 'flour'],
  },
  {
    name: 'keen gardener',
    description: 'Grows flowers and vegetables in a garden, and buys seeds, pots and tools.',
    keywords: ['garden', 'seed', 'trowel', 'plant pot'],
  },
  {
    name: 'new parent',
    description: 'Has a baby at home, and buys diapers, bottles and soft toys.',
    keywords: ['baby', 'diaper', 'nursing', 'rattle'],
  },
] as const

const day = 86_400_000

/** A shopper who bought these titles once each, one a day. */
export function shopperWith(userId: string, titles: readonly string[]): Shopper {
  return {
    userId,
    basket: titles.map((title, n) => ({ title, times: 1, lastTs: Date.UTC(2025, 0, 1) + n * day })),
  }
}

/** Shoppers u0, u1 …, each with a basket of their own. */
export function someShoppers(count: number): Shopper[] {
  return Array.from({ length: count }, (_, n) =>
    shopperWith(`u${n}`, [`Cake tin, size ${n}`, 'Icing sugar', `Garden trowel ${n}`]),
  )
}

export type Bench = {
  readonly api: FakeOpenAi
  readonly dir: string
  /** Opens ledger and cache as a new process would, and closes them after. */
  run<T>(
    options: BenchOptions,
    use: (opened: { labeller: Labeller; calls: PaidCalls }) => Promise<T>,
  ): Promise<T>
}

export type BenchOptions = Partial<Pick<PaidOptions, 'prices' | 'maxUsd' | 'retryFailed'>> & {
  readonly timeoutMs?: number
  readonly retries?: number
  readonly concurrency?: number
  readonly batch?: boolean
  readonly tokenBudget?: number
}

export const somePrices = { in: 1, out: 2, source: 'given' } as const

/** A fake API and a labelling directory. */
export async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
  const api = await startFakeOpenAi()
  try {
    await withDirectory((root) => {
      const dir = join(root, 'labelling')
      let time = Date.UTC(2025, 5, 1)
      return use({
        api,
        dir,
        async run({ prices = somePrices, maxUsd, retryFailed, ...options }, work) {
          const { timeoutMs = 5000, retries = 0, concurrency = 3, batch = false, tokenBudget = 500 } = options
          const client = new ApiClient({
            baseUrl: api.baseUrl,
            apiKey: 'key-of-the-tests',
            timeoutMs,
            retries,
          })
          const now = () => time++
          const calls = new PaidCalls({ dir, client, model: 'test-model', prices, maxUsd, retryFailed, now })
          const labeller = openAiLabeller({
            calls,
            personas,
            tokenBudget,
            answerTokensMax: 1000,
            concurrency,
            batch: batch ? { pollMs: 1, onState: () => undefined } : undefined,
          })
          try {
            return await work({ labeller, calls })
          } finally {
            calls.close()
          }
        },
      })
    })
  } finally {
    await api.stop()
  }
}
