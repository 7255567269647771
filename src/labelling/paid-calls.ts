// Calls that cost money: from the cache where the answer is there, else reserved, entered in the ledger, sent, and kept.
import { messageOf } from '../errors.ts'
import { AnswerCache } from './cache.ts'
import { type ChatRequest, keyOf, tokensInOf } from './chat-request.ts'
import { costOf, type Prices, Spending } from './cost.ts'
import { cacheFile, ledgerFile } from './files.ts'
import { type Call, Ledger } from './ledger.ts'
import type { ApiClient } from './openai-client.ts'
import { readPendingBatch } from './pending-batch.ts'
import type { Failure } from './port.ts'
import { type Reply, replyOf, type Usage } from './reply.ts'

export type Outcome<T> = { readonly value: T } | Failure
/** Reads what is wanted out of a reply, or says why it cannot be used. */
export type Read<T> = (reply: Reply) => Outcome<T>

export type PaidRequest<T> = {
  readonly key: string
  readonly request: ChatRequest
  /** Whose baskets stand in it: of `joint` users all of theirs, else one that all of them share. */
  readonly users: readonly string[]
  readonly joint?: true
  readonly read: Read<T>
}

export type Answered<T> = Outcome<T> | 'not_sent'

export type PaidOptions = {
  /** `<data dir>/labelling`; whoever opens this holds its lock. */
  readonly dir: string
  readonly client: ApiClient
  readonly model: string
  readonly prices: Prices | undefined
  readonly maxUsd?: number | undefined
  /** Ask again for what was answered unusably. */
  readonly retryFailed?: boolean | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export type Spent = {
  readonly calls: number
  readonly cached: number
  readonly tokensIn: number
  readonly tokensOut: number
  readonly costUsd: number | undefined
  /** Calls of an earlier process whose answers were lost with it. */
  readonly interrupted: number
  /** The cost limit kept some calls from being made. */
  readonly stopped: boolean
}

/** An answer that came: for which call, and what was reserved for it. */
export type Received = Pick<PaidRequest<unknown>, 'key' | 'users' | 'joint'> & {
  readonly call: Call
  readonly body: string
  /** USD reserved. */
  readonly most: number
  /** Tokens read at the most, for providers that do not say. */
  readonly tokensInMost: number
  /** How to read it; undefined for an answer that this run did not ask for. */
  readonly read?: Read<unknown> | undefined
}

export type Lost = { readonly call: Call; readonly failure: Failure; readonly most: number }

export class PaidCalls {
  readonly options: PaidOptions
  readonly #cache: AnswerCache
  readonly #ledger: Ledger
  readonly #spending: Spending
  readonly #interrupted: number
  /** Keys whose answer came in this run: asked for again by `retryFailed`, they are not twice. */
  readonly #fresh = new Set<string>()
  #calls = 0
  #cached = 0
  #tokensIn = 0
  #tokensOut = 0

  /** Throws UsageError for a cost limit without prices, FatalError for files that cannot be read. */
  constructor(options: PaidOptions) {
    const { dir, now, prices, maxUsd, model } = options
    this.options = options
    this.#spending = new Spending({ maxUsd, prices, model })
    this.#cache = AnswerCache.open(cacheFile(dir))
    this.#ledger = Ledger.open(ledgerFile(dir), now)
    this.#interrupted = this.#ledger.recover({
      cache: this.#cache,
      pricesOf: (of) => (of === model ? prices : undefined),
      pending: new Set(readPendingBatch(dir)?.lines.map(({ call }) => call.call)),
    })
  }

  prepare<T>(parts: Omit<PaidRequest<T>, 'key'>): PaidRequest<T> {
    return { ...parts, key: keyOf(parts.request, this.options.client.baseUrl) }
  }

  /** The answer that is there already; undefined where it must be paid for. */
  peek<T>({ key, read }: PaidRequest<T>): Outcome<T> | undefined {
    const cached = this.#cache.get(key)
    if (cached === undefined) return undefined
    const outcome = read(cached.reply)
    const again = 'reason' in outcome && this.options.retryFailed === true && !this.#fresh.has(key)
    return again ? undefined : outcome
  }

  /** The same, to be used: it becomes an answer of these users, too. */
  known<T>(paidRequest: PaidRequest<T>): Outcome<T> | undefined {
    const outcome = this.peek(paidRequest)
    if (outcome === undefined) return undefined
    this.#cache.share(paidRequest.key, paidRequest.users)
    this.#cached++
    return outcome
  }

  /** The answer: one that is kept, or a new one that is paid for. Throws FatalError when going on is pointless. */
  async ask<T>(paidRequest: PaidRequest<T>): Promise<Answered<T>> {
    const known = this.known(paidRequest)
    if (known !== undefined) return known
    const { client } = this.options
    const most = this.reserve(paidRequest.request, client.attemptsMax)
    if (most === undefined) return 'not_sent'
    const [call] = this.send([paidRequest], 'live')
    let answer: { body: string } | Failure
    try {
      answer = await client.complete(paidRequest.request)
    } catch (error) {
      this.lost([
        { call: call!, most, failure: { reason: 'rejected', detail: messageOf(error), paid: false } },
      ])
      throw error
    }
    if ('reason' in answer) {
      this.lost([{ call: call!, failure: answer, most }])
      return answer
    }
    const tokensInMost = tokensInOf(paidRequest.request).most
    this.keep([{ ...paidRequest, call: call!, body: answer.body, most, tokensInMost }])
    return this.peek(paidRequest)!
  }

  /** Reserves what a call can cost, USD (0 without prices); undefined when that could pass the limit. */
  reserve(request: ChatRequest, attempts: number): number | undefined {
    const usage = { tokensIn: tokensInOf(request).most, tokensOut: request.max_completion_tokens }
    const most = (costOf(usage, this.options.prices) ?? 0) * attempts
    return this.#spending.reserve(most) ? most : undefined
  }

  /** Enters calls in the ledger as sent. */
  send(requests: readonly PaidRequest<unknown>[], mode: Call['mode']): Call[] {
    const { model } = this.options
    return this.#ledger.sent(requests.map(({ key, users }) => ({ model, mode, prompt_hash: key, users })))
  }

  /** Keeps the bodies of answers: on disk, cache before ledger, when this returns. */
  keep(received: readonly Received[]): void {
    const { prices } = this.options
    const read = received.map((each) => {
      const { reply, usage: told } = replyOf(each.body)
      return { ...each, reply, usage: told ?? estimatedUsage(reply, each.tokensInMost) }
    })
    this.#cache.put(
      read.map(({ key, users, joint, call, reply, usage }) => ({
        key,
        users: joint ? users : users.slice(0, 1),
        call: call.call,
        reply,
        usage,
      })),
    )
    for (const { key, users } of read) this.#cache.share(key, users)
    this.#ledger.settled(
      read.map(({ call, reply, usage, read: reading }) => {
        const outcome = reading?.(reply) ?? { value: reply }
        return { call, outcome: 'reason' in outcome ? outcome.reason : 'answered', usage, prices }
      }),
    )
    for (const { key, usage, most } of read) {
      this.#fresh.add(key)
      this.#spending.settle(most, costOf(usage, prices) ?? 0)
      this.#calls++
      this.#tokensIn += usage.tokensIn
      this.#tokensOut += usage.tokensOut
    }
  }

  /** Calls without an answer. One that timed out counts as dear as it can have been: it may have been charged. */
  lost(lost: readonly Lost[]): void {
    this.#ledger.settled(lost.map(({ call, failure }) => ({ call, outcome: failure.reason })))
    for (const { failure, most } of lost) {
      this.#spending.settle(most, failure.reason === 'timeout' ? most : 0)
      this.#calls++
    }
  }

  /** Whether this very call's answer is kept. */
  has(key: string, call: Call): boolean {
    return this.#cache.get(key)?.call === call.call
  }

  spent(): Spent {
    return {
      calls: this.#calls,
      cached: this.#cached,
      tokensIn: this.#tokensIn,
      tokensOut: this.#tokensOut,
      costUsd: this.options.prices && this.#spending.spentUsd,
      interrupted: this.#interrupted,
      stopped: this.#spending.stopped,
    }
  }

  close(): void {
    this.#cache.close()
    this.#ledger.close()
  }
}

/** For providers that do not say what they counted: as much as it can have been. */
function estimatedUsage({ content, refusal }: Reply, tokensInMost: number): Usage {
  return {
    tokensIn: tokensInMost,
    tokensOut: Buffer.byteLength(content ?? '') + Buffer.byteLength(refusal ?? ''),
    estimated: true,
  }
}
