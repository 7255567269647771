// The ledger: every call to a paid API, append-only: when it was sent, and what came of it and at which price.
import { AppendFile } from './append-file.ts'
import type { AnswerCache } from './cache.ts'
import { costOf, type Prices } from './cost.ts'
import type { FailureReason } from './port.ts'
import type { Usage } from './reply.ts'

/**
 * One line. A call has two: `sent`, and what came of it. `interrupted`: the process ended before the answer was on disk;
 * the provider may have charged it, and it is sent again.
 */
export type LedgerEntry = {
  readonly time: string
  readonly call: string
  readonly model: string
  readonly mode: 'live' | 'batch'
  readonly prompt_hash: string
  readonly users: readonly string[]
  readonly outcome: 'sent' | 'answered' | 'interrupted' | FailureReason
  readonly tokens_in?: number
  readonly tokens_out?: number
  /** The provider did not say; by our estimate. */
  readonly tokens_estimated?: true
  /** USD; null where no price is known. */
  readonly cost_usd?: number | null
}

export type Call = Pick<LedgerEntry, 'call' | 'model' | 'mode' | 'prompt_hash' | 'users'>

export type Settlement = {
  readonly call: Call
  readonly outcome: LedgerEntry['outcome']
  readonly usage?: Usage | undefined
  readonly prices?: Prices | undefined
}

export type Recovery = {
  readonly cache: AnswerCache
  readonly pricesOf: (model: string) => Prices | undefined
  readonly pending: ReadonlySet<string>
}

export class Ledger {
  readonly #file: AppendFile<LedgerEntry>
  readonly #now: () => number
  readonly #open = new Map<string, Call>()

  private constructor(
    file: AppendFile<LedgerEntry>,
    { entries, now }: { entries: readonly LedgerEntry[]; now: () => number },
  ) {
    this.#file = file
    this.#now = now
    for (const entry of entries) this.#follow(entry)
  }

  /** `now`: milliseconds since 1970. */
  static open(path: string, now: () => number): Ledger {
    const { file, entries } = AppendFile.open<LedgerEntry>(path)
    return new Ledger(file, { entries, now })
  }

  /** Enters calls that are about to be made. */
  sent(calls: readonly Omit<Call, 'call'>[]): Call[] {
    const time = new Date(this.#now()).toISOString()
    const named = calls.map((call) => ({ call: `${time}/${call.prompt_hash.slice(0, 16)}`, ...call }))
    this.#append(named.map((call) => ({ time, ...call, outcome: 'sent' })))
    return named
  }

  /** Enters what came of calls. */
  settled(settlements: readonly Settlement[]): void {
    const time = new Date(this.#now()).toISOString()
    this.#append(
      settlements.map(({ call, outcome, usage, prices }) => ({
        time,
        ...call,
        outcome,
        ...(usage && {
          tokens_in: usage.tokensIn,
          tokens_out: usage.tokensOut,
          ...(usage.estimated && { tokens_estimated: true }),
          cost_usd: costOf(usage, prices) ?? null,
        }),
      })),
    )
  }

  /**
   * Settles what an earlier process left open: with the answer where the cache has it, else as interrupted. `pending` are
   * calls of a batch that is picked up again. Gives how many were interrupted.
   */
  recover({ cache, pricesOf, pending }: Recovery): number {
    const answers = new Map([...cache.answers()].map((answer) => [answer.call, answer]))
    let interrupted = 0
    const settlements: Settlement[] = []
    for (const call of this.#open.values()) {
      const answer = answers.get(call.call)
      if (answer !== undefined)
        settlements.push({ call, outcome: 'answered', usage: answer.usage, prices: pricesOf(call.model) })
      else if (!pending.has(call.call)) {
        settlements.push({ call, outcome: 'interrupted' })
        interrupted++
      }
    }
    this.settled(settlements)
    return interrupted
  }

  close(): void {
    this.#file.close()
  }

  #append(entries: readonly LedgerEntry[]): void {
    this.#file.append(entries)
    for (const entry of entries) this.#follow(entry)
  }

  #follow({ call, model, mode, prompt_hash, users, outcome }: LedgerEntry): void {
    if (outcome === 'sent') this.#open.set(call, { call, model, mode, prompt_hash, users })
    else this.#open.delete(call)
  }
}
