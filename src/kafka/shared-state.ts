// What the ingest thread tells the thread that sends, without a message: until when it may send, and how many rows there are.

/** A clock that all threads of a process read alike, whole milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

const untilAt = 0
const changesAt = 1
const quarantineAt = 2
const forever = 2 ** 52

export class SharedState {
  readonly buffer: SharedArrayBuffer
  readonly #values: BigInt64Array

  /** A new one, or the one that another thread made. */
  constructor(buffer = new SharedArrayBuffer(3 * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#values = new BigInt64Array(buffer)
  }

  /** Whether the partitions are surely this process's own now. */
  get mayEmit(): boolean {
    return monotonicMs() < Number(Atomics.load(this.#values, untilAt))
  }

  /** The partitions are this process's own until then, by the monotonic clock; 0: not now. */
  emitUntil(untilMs: number): void {
    Atomics.store(this.#values, untilAt, BigInt(Math.floor(Math.min(untilMs, forever))))
  }

  /** Number of the next change row, and of the next quarantined record. */
  get changes(): number {
    return Number(Atomics.load(this.#values, changesAt))
  }

  get quarantineIds(): number {
    return Number(Atomics.load(this.#values, quarantineAt))
  }

  setEnds({ changes, quarantineIds }: { changes: number; quarantineIds: number }): void {
    Atomics.store(this.#values, changesAt, BigInt(changes))
    Atomics.store(this.#values, quarantineAt, BigInt(quarantineIds))
  }
}
