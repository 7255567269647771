// Stage relay: rows that are on disk to the sinks, in order, while further batches are applied. Each sink takes them at
// its own pace; what a crash interrupts is delivered again.
import type { DeadLetterSink, OutboxRow, Sink } from '../sink/port.ts'
import type { StoreReader } from '../store/port.ts'
import { begin, end as endSpan } from '../tracing/tracing.ts'

/** Rows handed to a sink at a time. */
const relayRowsMax = 1024

/** How far the rows are on disk: change rows and quarantined records below these numbers. */
export type Ends = { readonly changes: number; readonly quarantineIds: number }

/** One sink's way from the store: hands it rows below `end`; false when there are none. */
type Line = {
  readonly sink: { readonly name: string; readonly next: number; readonly lingerMs?: number }
  readonly endOf: (ends: Ends) => number
  readonly hand: (end: number) => Promise<boolean>
  end: number
  /** Below this number there are no rows any more that the sink has not taken. */
  passed: number
  /** When the last delivery began, ms. */
  began: number
  running: Promise<void> | undefined
}

export class Relay {
  readonly #lines: readonly Line[]
  #failure: { readonly error: unknown } | undefined
  readonly #failed = new AbortController()
  #wake: () => void = () => {}
  /** There is more to consume: deliveries linger. */
  #busy = false
  /** Ends the wait of each delivery that lingers. */
  readonly #lingering = new Set<() => void>()
  #closed = false

  constructor(
    store: StoreReader,
    { sinks, deadLetters }: { sinks: readonly Sink[]; deadLetters: DeadLetterSink | undefined },
  ) {
    this.#lines = [
      ...sinks.map((sink) => changeLine(store, sink)),
      ...(deadLetters === undefined ? [] : [deadLetterLine(store, deadLetters)]),
    ]
  }

  /** Rows that are on disk and that the sink furthest behind has not taken. */
  get behind(): number {
    return Math.max(0, ...this.#lines.map((line) => line.end - reached(line)))
  }

  /** Rows that are on disk and that each sink has not taken. */
  get backlogs(): { readonly name: string; readonly backlog: number }[] {
    return this.#lines.map((line) => ({
      name: line.sink.name,
      backlog: Math.max(0, line.end - reached(line)),
    }))
  }

  /**
   * What lies below these numbers is on disk: it goes out from now on, and lingers where the consumer is `busy`. Throws what
   * a sink failed with.
   */
  advance(ends: Ends, { busy = false }: { busy?: boolean } = {}): void {
    this.check()
    if (busy) this.#busy = true
    else this.#soothe()
    for (const line of this.#lines) {
      line.end = Math.max(line.end, line.endOf(ends))
      if (line.running !== undefined || reached(line) >= line.end) continue
      line.running = this.#run(line).finally(() => {
        line.running = undefined
        this.#wake()
      })
    }
  }

  /** Aborted when a sink has failed. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /** Throws what a sink failed with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Resolves when the sinks have taken everything that is on disk, or one has failed. */
  async settled(): Promise<void> {
    this.#soothe()
    await Promise.all(this.#lines.map(({ running }) => running))
    this.check()
  }

  /** Resolves when a sink has taken rows, or after `msMax`. */
  async progress(msMax: number): Promise<void> {
    this.#soothe()
    await within(msMax, (done) => (this.#wake = done))
  }

  /** Hands over nothing more: the store is about to be closed. */
  close(): void {
    this.#closed = true
    this.#soothe()
  }

  #soothe(): void {
    this.#busy = false
    for (const done of this.#lingering) done()
  }

  /** Waits until the next delivery may begin: while there is little, and consuming is busy. */
  async #linger(line: Line): Promise<void> {
    const { lingerMs = 0 } = line.sink
    const early = line.began + lingerMs - performance.now()
    if (!this.#busy || early <= 0 || line.end - reached(line) >= relayRowsMax) return
    let waiting: (() => void) | undefined
    await within(early, (done) => {
      waiting = done
      this.#lingering.add(done)
    })
    this.#lingering.delete(waiting!)
  }

  async #run(line: Line): Promise<void> {
    try {
      while (reached(line) < line.end) {
        await this.#linger(line)
        if (this.#closed) return
        line.began = performance.now()
        const { next } = line.sink
        const { end } = line
        if (!(await traced(line, end))) line.passed = end // what there was is gone: erased, or replayed
        this.#wake()
        if (line.passed < end && line.sink.next === next) return // it is being closed
      }
    } catch (error) {
      this.#failure ??= { error }
      this.#failed.abort()
    }
  }
}

async function traced(line: Line, end: number): Promise<boolean> {
  const spanned = begin('kindred.relay', {
    attributes: { 'kindred.sink': line.sink.name, 'kindred.rows': end - reached(line) },
  })
  try {
    const handed = await line.hand(end)
    endSpan(spanned)
    return handed
  } catch (error) {
    endSpan(spanned, (error as Error).message)
    throw error
  }
}

/** Resolves when `done`, handed to `begin`, is called, or after `ms`. */
function within(ms: number, begin: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    begin(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function reached({ sink, passed }: Line): number {
  return Math.max(sink.next, passed)
}

function changeLine(store: StoreReader, sink: Sink): Line {
  return {
    sink,
    endOf: ({ changes }) => changes,
    async hand(end) {
      const rows = outboxRows(store, { from: sink.next, end, erasures: sink.takesErasures === true })
      if (rows.length > 0) await sink.deliver(rows)
      return rows.length > 0
    },
    end: 0,
    passed: 0,
    began: Number.NEGATIVE_INFINITY,
    running: undefined,
  }
}

/** Change rows from `from` on below `end`, with the erasures between them where they are wanted. */
function outboxRows(
  store: StoreReader,
  { from, end, erasures }: { from: number; end: number; erasures: boolean },
): OutboxRow[] {
  const changes = store.changes(from, Math.min(relayRowsMax, end - from)).filter(({ number }) => number < end)
  if (!erasures) return changes
  const full = changes.length === relayRowsMax
  const erased = store.erasures(from, full ? changes[changes.length - 1]!.number : end)
  if (erased.length === 0) return changes
  return [...changes, ...erased].sort((a, b) => a.number - b.number)
}

function deadLetterLine(store: StoreReader, sink: DeadLetterSink): Line {
  return {
    sink,
    endOf: ({ quarantineIds }) => quarantineIds,
    async hand(end) {
      const records = store.quarantinedRecords(sink.next, relayRowsMax).filter(({ id }) => id < end)
      if (records.length > 0) await sink.deliver(records)
      return records.length > 0
    },
    end: 0,
    passed: 0,
    began: Number.NEGATIVE_INFINITY,
    running: undefined,
  }
}
