// What the sinks to Kafka share: a delivery that is opened when first needed, and after every failure anew; tries until it
// works, is closed, or cannot work.
import { setTimeout as sleep } from 'node:timers/promises'
import { FatalError } from '../errors.ts'
import { kafkaFailure } from '../kafka/problem.ts'
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

  /** Runs `work` until it succeeds or the outlet is closed, after what runs already; throws FatalError. */
  run(work: () => Promise<void>): Promise<void> {
    const before = this.#running.catch(() => undefined) // its caller is told
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

  async send(lane: Lane, messages: Parameters<Delivery['send']>[1], next: number): Promise<void> {
    const { delivery, mayEmit } = this.#options
    const { signal } = this.#closed
    while (!mayEmit()) {
      await sleep(ownedPollMs, undefined, { signal }) // closing rejects it
    }
    await delivery.send(lane, messages, next, mayEmit)
    this.#registered!.set(lane.id, next)
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
