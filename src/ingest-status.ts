// How ingest stands, as the process that ingests writes it for those that only look up: a small file of the data directory,
// replaced whole every second. It is not state: nothing is lost with it.
import { readFileSync, statSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const schema = z.object({
  pid: z.number(),
  /** ms since 1970 of the clock that all processes of a machine share. */
  at: z.number(),
  /** Records that wait to be applied. */
  waiting: z.number(),
  /** How old the oldest of them is, ms. */
  behind_ms: z.number(),
  /** Why nothing is ingested; null when all is well. */
  problem: z.string().nullable(),
})
export type IngestStatus = z.infer<typeof schema>

/** How often it is written, and looked at. */
export const statusWriteMs = 1_000
export const statusReadMs = 250
/** Who has not written for this long does not ingest. */
const silenceMsMax = 4_000

function statusPath(dir: string): string {
  return join(dir, 'ingest-status.json')
}

/** Writes the file without keeping the thread that answers: a write is a millisecond. */
export class StatusWriter {
  readonly #path: string
  #last: Promise<void> = Promise.resolve()

  constructor(dir: string) {
    this.#path = statusPath(dir)
  }

  /** Replaces the file, after the writes before. Rejects with what the file system says. */
  write(status: IngestStatus): Promise<void> {
    const written = this.#last.then(async () => {
      await writeFile(`${this.#path}.next`, `${JSON.stringify(status)}\n`)
      await rename(`${this.#path}.next`, this.#path)
    })
    this.#last = written.catch(() => undefined)
    return written
  }

  /** Resolves when no write is under way. */
  settled(): Promise<void> {
    return this.#last
  }
}

type Clocks = {
  /** ms since 1970, of the clock that all processes of a machine share; it may be set. */
  now(): number
  /** ms of a clock that is never set. */
  steady(): number
}

/** What a process that only looks up knows of ingest: as of the last `look`. */
export class StatusReader {
  readonly #path: string
  readonly #clocks: Clocks
  /** When it was heard of ingest last, or begun to look, by the steady clock. */
  #heardAt: number
  #status: IngestStatus | undefined
  /** Which file that was; undefined for none that could be read. */
  #stamp: string | undefined
  #problem: string | undefined
  #behindMs = 0

  constructor(dir: string, clocks: Clocks) {
    this.#path = statusPath(dir)
    this.#clocks = clocks
    this.#heardAt = clocks.steady()
    this.look()
  }

  /** Reads the file if it is another; what cannot be read is as good as none. */
  look(): void {
    const before = this.#status
    const stamp = stampOf(this.#path)
    if (stamp === undefined || stamp !== this.#stamp) {
      try {
        this.#status = schema.parse(JSON.parse(readFileSync(this.#path, 'utf8')))
        this.#stamp = stamp
      } catch {
        this.#status = undefined
        this.#stamp = undefined
      }
    }
    if (this.#status !== undefined && this.#status.at !== before?.at)
      this.#heardAt = this.#clocks.steady() - (before === undefined ? this.#ageOf(this.#status) : 0)
    this.#problem = this.#problemNow()
    this.#behindMs = this.#behindNow()
  }

  /** How old a first status is says the clock alone; from then on what counts is that there is a new one. */
  #ageOf({ at }: IngestStatus): number {
    return Math.max(0, this.#clocks.now() - at)
  }

  get #silentMs(): number {
    return this.#clocks.steady() - this.#heardAt
  }

  /** Why nothing is ingested; undefined when all is well. */
  problem(): string | undefined {
    return this.#problem
  }

  /** How far answers are behind what was accepted as far as can be told, ms. */
  behindMs(): number {
    return this.#behindMs
  }

  get waiting(): number {
    return this.#status?.waiting ?? 0
  }

  #problemNow(): string | undefined {
    if (this.#status === undefined) return 'no process ingests: start one with `--role ingest`'
    const silent = this.#silentMs
    if (silent <= silenceMsMax) return this.#status.problem ?? undefined
    return `ingest (process ${this.#status.pid}) has not been heard of for ${Math.round(silent / 1000)} s`
  }

  #behindNow(): number {
    if (this.#status === undefined) return this.#silentMs
    const { behind_ms } = this.#status
    return this.#problem === undefined ? behind_ms : behind_ms + this.#silentMs
  }
}

/** Tells a file from the one that replaced it; undefined where there is none, or it cannot be seen. */
function stampOf(path: string): string | undefined {
  try {
    const { ino, mtimeNs } = statSync(path, { bigint: true })
    return `${ino}:${mtimeNs}`
  } catch {
    return undefined
  }
}
