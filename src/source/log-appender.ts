// Appending for many at once: what arrives while a flush is under way goes into the next one (group commit).
// An append is acknowledged only once it is on disk; past a named backlog it is refused, never dropped.
import type { BlockInput } from './log-block.ts'

/** Bytes waiting for the next flush past which appends are refused. */
const waitingBytesMax = 64 * 1024 * 1024

export type AppendableLog = {
  append(blocks: readonly BlockInput[]): { first: number; next: number }
  flushed(): Promise<void>
}
export type Appended = { readonly first: number; readonly next: number }

type Waiting = {
  readonly block: BlockInput
  readonly bytes: number
  resolve(at: Appended): void
  reject(error: unknown): void
}

export class LogAppender {
  readonly #log: AppendableLog
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #running: Promise<void> | undefined

  constructor(log: AppendableLog) {
    this.#log = log
  }

  /** Whether so much waits already that more must be refused. */
  get full(): boolean {
    return this.#waitingBytes >= waitingBytesMax
  }

  /** Resolves with the block's offsets once it is on disk; rejects when it could not be stored. */
  append(block: BlockInput): Promise<Appended> {
    const bytes = block.records.reduce((sum, record) => sum + record.length, 0)
    const done = new Promise<Appended>((resolve, reject) =>
      this.#waiting.push({ block, bytes, resolve, reject }),
    )
    this.#waitingBytes += bytes
    this.#running ??= this.#run()
    return done
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    await undefined // requests of the same turn join this flush
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        let { first } = this.#log.append(group.map(({ block }) => block))
        await this.#log.flushed()
        for (const { block, resolve } of group) {
          resolve({ first, next: first + block.records.length })
          first += block.records.length
        }
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      for (const { bytes } of group) this.#waitingBytes -= bytes
    }
    this.#running = undefined
  }
}
