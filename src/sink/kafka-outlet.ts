// What the sinks to Kafka share: a delivery that is opened when first needed, and after every failure anew; tries until it
// works, is closed, or cannot work.
import { setTimeout as sleep } from 'node:timers/promises'
import { FatalError } from '../errors.ts'
import { isTooLarge, kafkaFailure } from '../kafka/problem.ts'
import type { Report } from '../kafka/report.ts'
import type { Delivery, Lane } from './kafka-delivery.ts'

const backoffMs = { first: 100, most: 5_000 }
/** How often ownership is asked for again. */
const ownedPollMs = 50

export type OutletOptions = {
  readonly name: string
  readonly delivery: Delivery
  /** Whether this process may send now: not after it lost the partitions. */
  readonly mayEmit: () => boolean
  readonly report: Report
}

export class Outlet {
  readonly #options: OutletOptions
  readonly #closed = new AbortController()
  #registered: Map<string, number> | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: OutletOptions) {
    this.#options = options
  }

  get closed(): boolean {
    return this.#closed.signal.aborted
  }

  /** Runs `work` until it succeeds or the outlet is closed, after what was asked for before; throws FatalError. */
  run(work: () => Promise<void>): Promise<void> {
    const before = this.#running.catch(() => undefined) // who asked for that was told
    this.#running = before.then(() => this.#untilDone(work))
    return this.#running
  }

  /** Opens lanes that are not open yet. */
  async open(lanes: readonly Lane[]): Promise<void> {
    const missing = lanes.filter(({ id }) => this.#registered?.has(id) !== true)
    if (missing.length === 0) return
    const registered = await this.#options.delivery.open(missing)
    this.#registered ??= new Map()
    for (const { id } of missing) this.#registered.set(id, registered.get(id) ?? 0)
  }

  /** Rows of the lane below this number were delivered. */
  registeredOf({ id }: Lane): number {
    return this.#registered?.get(id) ?? 0
  }

  async #send(lane: Lane, messages: Parameters<Delivery['send']>[1], next: number): Promise<void> {
    const { delivery, mayEmit } = this.#options
    const { signal } = this.#closed
    while (!mayEmit()) {
      await sleep(ownedPollMs, undefined, { signal }) // closing rejects it
    }
    try {
      await delivery.send(lane, messages, next, mayEmit)
    } catch (error) {
      this.#registered?.delete(lane.id) // to be opened anew
      throw error
    }
    this.#registered!.set(lane.id, next)
  }

  /**
   * Sends what `messagesOf` makes of those numbered items that were not delivered yet, in parts where it is more at once
   * than a topic takes; throws where one item is too large by itself. The lane is open then, too.
   */
  async sendFitting<T extends { readonly number: number }>(
    lane: Lane,
    items: readonly T[],
    messagesOf: (items: readonly T[]) => Parameters<Delivery['send']>[1],
  ): Promise<void> {
    const fresh = items.filter(({ number }) => number >= this.registeredOf(lane))
    const messages = fresh.length === 0 ? [] : messagesOf(fresh)
    if (messages.length === 0) return
    try {
      await this.#send(lane, messages, fresh.at(-1)!.number + 1)
    } catch (error) {
      if (!isTooLarge(error)) throw error
      await this.open([lane])
      if (fresh.length === 1) throw error
      const half = fresh.length >> 1
      await this.sendFitting(lane, fresh.slice(0, half), messagesOf)
      await this.sendFitting(lane, fresh.slice(half), messagesOf)
    }
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#running.catch(() => undefined)
    await this.#options.delivery.close()
  }

  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { name, delivery, report } = this.#options
    const { signal } = this.#closed
    for (let wait = backoffMs.first; !signal.aborted; wait = Math.min(wait * 2, backoffMs.most)) {
      try {
        await work()
        report.problem(name, undefined)
        return
      } catch (error) {
        if (signal.aborted) return
        // whether a transaction that broke off is committed is known only once its lane is opened anew
        this.#registered = undefined
        await delivery.close().catch(() => undefined)
        const failure = kafkaFailure(error, 'sending')
        if (failure instanceof FatalError) throw failure
        report.problem(name, failure.message)
        await sleep(wait, undefined, { signal }).catch(() => undefined)
      }
    }
  }
}
