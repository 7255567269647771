// The sinks to Kafka as the ingest thread sees them: rows go to a thread of their own, which encodes and sends them, so
// that sending takes no time from applying.
import { Worker } from 'node:worker_threads'
import { unreachable } from './core/assert.ts'
import { FatalError, messageOf } from './errors.ts'
import type { Report } from './kafka/report.ts'
import type { SharedState } from './kafka/shared-state.ts'
import type { SinkThreadInput, SinkThreadReply, SinkThreadRequest } from './kafka-sink-thread.ts'
import type { SinksOptions } from './kafka-sinks.ts'
import type { DeadLetterSink, OutboxRow, Sink } from './sink/port.ts'
import type { QuarantinedRecord } from './store/port.ts'

/** Of changes that nobody can see soon, because there is a backlog: fewer, larger transactions. */
const lingerMs = 200

type Target = 'changes' | 'dead_letters'
/** A request without its number. */
type Ask = SinkThreadRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, 'call'>
    : never
  : never
type Pending = { resolve(next: number): void; reject(error: unknown): void }

export type SinkThreadOptions = SinksOptions & {
  /** How many rows there are now. */
  readonly ends: () => { readonly changes: number; readonly quarantineIds: number }
}

export class SinkThread {
  readonly #start: SinksOptions['start']
  readonly #state: SharedState
  readonly #ends: SinkThreadOptions['ends']
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #calls = 0
  #open = 0
  #failure: FatalError | undefined

  constructor({ dir, config, start, state, report, ends }: SinkThreadOptions) {
    this.#start = start
    this.#state = state
    this.#ends = ends
    state.setEnds(ends())
    const input: SinkThreadInput = { dir, config, start, state: state.buffer }
    this.#worker = new Worker(new URL('./kafka-sink-thread.js', import.meta.url), { workerData: input })
    this.#worker.on('message', (reply: SinkThreadReply) => this.#hear(reply, report))
    this.#worker.once('error', (error) => this.#fail(error))
    this.#worker.once('exit', () => this.#fail(new FatalError('the thread that sends to Kafka has ended')))
  }

  changes(name: string): Sink {
    return Object.assign(this.#taker<OutboxRow>('changes', name, this.#start.changes), {
      takesErasures: true,
    })
  }

  deadLetters(name: string): DeadLetterSink {
    return this.#taker<QuarantinedRecord>('dead_letters', name, this.#start.deadLetters)
  }

  /** Shuts out whoever sent before; rejects with FatalError when that cannot be. */
  async start(): Promise<void> {
    await this.#call({ kind: 'start' })
  }

  #taker<Row>(to: Target, name: string, start: number) {
    const at = { next: start }
    this.#open++
    const taker = {
      name,
      lingerMs,
      deliver: async (rows: readonly Row[]) => {
        this.#state.setEnds(this.#ends())
        at.next = await this.#call({ kind: 'deliver', to, rows } as Ask)
      },
      close: async () => {
        if (this.#failure === undefined)
          at.next = await this.#call({ kind: 'close', to }).catch(() => at.next)
        if (--this.#open > 0) return
        // kafkajs may try again, for a while, what it was closed in the middle of
        await this.#worker.terminate()
      },
    }
    return Object.defineProperty(taker, 'next', { get: () => at.next, enumerable: true }) as typeof taker & {
      readonly next: number
    }
  }

  #call(request: Ask): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const call = this.#calls++
    this.#worker.postMessage({ ...request, call })
    return new Promise((resolve, reject) => this.#pending.set(call, { resolve, reject }))
  }

  #hear(reply: SinkThreadReply, report: Report): void {
    switch (reply.kind) {
      case 'done':
        this.#pending.get(reply.call)?.resolve(reply.next)
        this.#pending.delete(reply.call)
        return
      case 'failed':
        this.#pending.get(reply.call)?.reject(new FatalError(reply.message))
        this.#pending.delete(reply.call)
        return
      case 'log':
        return report.log(reply.level, reply.message, reply.fields)
      case 'problem':
        return report.problem(reply.part, reply.message)
      default:
        unreachable(reply)
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof FatalError ? error : new FatalError(messageOf(error), { cause: error })
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }
}
