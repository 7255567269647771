// Writer schemas of fetched values: known from the store, or asked of the registry before the records are applied.
import { setTimeout as sleep } from 'node:timers/promises'
import type { ValueCodec } from '../codec/kafka-value.ts'
import { FatalError, InvalidRecordError, messageOf, TransientError } from '../errors.ts'
import type { Report } from '../kafka/report.ts'

/** What knows schemas by their id. */
export type SchemaSource = { schemaById(id: number, signal?: AbortSignal): Promise<string | undefined> }

const retryMs = 1_000
/** How long a schema that the registry does not know is not asked for again. */
const unknownMs = 5_000
/** Keys of schemas that are known to be unknown, at the most. */
const unknownMax = 10_000

/** How often a heartbeat is due while the registry is waited for; one that comes too early is not sent. */
const beatMs = 250

const none: ReadonlyMap<string, string> = new Map()

export class SchemaLookup {
  readonly #values: ValueCodec
  readonly #registry: SchemaSource | undefined
  readonly #stored: (key: string) => string | undefined
  readonly #report: Report
  /** Schemas asked for, until the store has them. */
  readonly #fetched = new Map<string, string>()
  readonly #unknown = new Map<string, number>()

  constructor({
    values,
    registry,
    stored,
    report,
  }: {
    values: ValueCodec
    registry: SchemaSource | undefined
    stored: (key: string) => string | undefined
    report: Report
  }) {
    this.#values = values
    this.#registry = registry
    this.#stored = stored
    this.#report = report
  }

  /**
   * Schemas that these values need and the store lacks. A registry that cannot be asked is waited for, with heartbeats,
   * for as long as `current`; one that does not know an id leaves it out, and its records are quarantined.
   */
  async forValues(
    values: readonly (Uint8Array | null)[],
    during: { signal: AbortSignal; heartbeat(): Promise<void>; current(): boolean },
  ): Promise<ReadonlyMap<string, string>> {
    if (this.#registry === undefined) return none
    const needed = new Map<string, number>()
    for (const value of values) {
      const wanted = value === null ? undefined : this.#values.schemaKeyOf(value)
      if (wanted !== undefined) needed.set(wanted.key, wanted.id)
    }
    const found = new Map<string, string>()
    for (const [key, id] of needed) {
      if (this.#stored(key) !== undefined) {
        this.#fetched.delete(key)
        continue
      }
      const schema = this.#fetched.get(key) ?? (await this.#ask(key, id, during))
      if (schema === undefined) continue
      found.set(key, schema)
      this.#fetched.set(key, schema)
    }
    return found
  }

  async #ask(
    key: string,
    id: number,
    { signal, heartbeat, current }: { signal: AbortSignal; heartbeat(): Promise<void>; current(): boolean },
  ): Promise<string | undefined> {
    if (performance.now() < (this.#unknown.get(key) ?? 0)) return undefined
    while (current()) {
      const answer = this.#registry!.schemaById(id, signal)
      await settled(answer, heartbeat)
      if (signal.aborted) return undefined
      try {
        const schema = await answer
        this.#report.problem('schema registry', undefined)
        if (schema === undefined) this.#remember(key)
        return schema
      } catch (error) {
        if (error instanceof InvalidRecordError) {
          this.#report.log('warn', messageOf(error))
          this.#remember(key)
          return undefined
        }
        if (error instanceof FatalError) throw error
        if (!(error instanceof TransientError)) throw new FatalError(messageOf(error), { cause: error })
        this.#report.problem('schema registry', error.message)
        await sleep(retryMs, undefined, { signal }).catch(() => undefined)
        await heartbeat()
      }
    }
    return undefined
  }

  #remember(key: string): void {
    if (this.#unknown.size >= unknownMax) this.#unknown.clear()
    this.#unknown.set(key, performance.now() + unknownMs)
  }
}

/** Resolves when the answer is there, whichever it is, with heartbeats meanwhile. */
async function settled(answer: Promise<unknown>, heartbeat: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const done = answer.then(
    () => over.abort(),
    () => over.abort(),
  )
  while (!over.signal.aborted) {
    await Promise.race([done, sleep(beatMs, undefined, { signal: over.signal }).catch(() => undefined)])
    if (!over.signal.aborted) await heartbeat()
  }
}
