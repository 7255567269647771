// Control records from the API: appended to the log, where the ingest thread finds them; waited for, but not for ever.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from './config.ts'
import type { ControlRecord } from './core/event.ts'
import type { UserId } from './core/ids.ts'
import { messageOf, TransientError } from './errors.ts'
import type { ControlPorts, ErasureReceipt, ReplayReceipt } from './http/ports.ts'
import { eraseFromLabelling } from './labelling/erase-labelling.ts'
import { labellingDir } from './labelling/files.ts'
import { lockLabelling } from './labelling-lock.ts'
import { requeueOf } from './requeue.ts'
import type { Appended } from './source/log-appender.ts'
import type { BlockInput } from './source/log-block.ts'
import type { WriterLock } from './store/lock.ts'
import type { StoreReader } from './store/port.ts'

/** How long a request waits for its record to be applied. */
const waitMsMax = 2_000
const pollMs = 10
/** Erasures on their way; past them more are refused. */
const erasuresMax = 10_000

export type ControlsOptions = {
  readonly dir: string
  readonly config: Config
  readonly store: StoreReader
  readonly logName: string
  append(block: BlockInput): Promise<Appended>
  /** Whether more records must be refused. */
  full(): boolean
  /** ms of the clock. */
  now(): number
}

export class Controls implements ControlPorts, AsyncDisposable {
  readonly #options: ControlsOptions
  /** Erasures that are on their way, by user: nobody is told of these users any more. */
  readonly #erasing = new Map<string, number>()
  readonly #closed = new AbortController()
  #labelling: { readonly lock: WriterLock; holders: number } | undefined

  constructor(options: ControlsOptions) {
    this.#options = options
  }

  /** Whether an erasure of this user is on its way. */
  erasing(userId: string): boolean {
    return this.#erasing.size > 0 && this.#erasing.has(userId)
  }

  async erase(userId: string): Promise<ErasureReceipt> {
    const { dir, store, now } = this.#options
    if (this.#erasing.size >= erasuresMax)
      throw new TransientError(`${erasuresMax} erasures are on their way already`)
    const known = store.userIndexOf(userId) !== undefined && !this.erasing(userId)
    const release = this.#holdLabelling()
    let position: number
    this.#erasing.set(userId, (this.#erasing.get(userId) ?? 0) + 1)
    try {
      if (existsSync(labellingDir(dir))) eraseFromLabelling(labellingDir(dir), (user) => user === userId)
      position = await this.#append({ kind: 'erase', userId: userId as UserId })
    } catch (error) {
      this.#forget(userId)
      release()
      throw error
    }
    const applied = this.#applied(position).then(() => {
      this.#forget(userId)
      release()
    })
    const erased = await this.#within(applied)
    return { user_id: userId, erased, known, position, received_at: new Date(now()).toISOString() }
  }

  async requeue(id: number): Promise<ReplayReceipt | undefined> {
    const { store, config } = this.#options
    if (store.quarantinedRecord(id) === undefined) return undefined
    const position = await this.#append(await requeueOf(store, { ids: [id], config }))
    const tried = await this.#within(this.#applied(position))
    const left = tried ? store.quarantinedRecord(id) : undefined
    return { id, tried, released: tried ? left === undefined : null, cause: left?.cause ?? null, position }
  }

  /** Waits for nothing any more; what is in the log is applied by whoever consumes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    this.#labelling?.lock.release()
    this.#labelling = undefined
  }

  async #append(control: ControlRecord): Promise<number> {
    if (this.#options.full()) throw new TransientError('too many records wait to be applied')
    try {
      const record = Buffer.from(JSON.stringify(control))
      return (await this.#options.append({ format: { kind: 'control' }, records: [record] })).first
    } catch (error) {
      throw new TransientError(`the record could not be written to disk (${messageOf(error)})`, {
        cause: error,
      })
    }
  }

  /** Resolves when the record at `position` is applied, or nobody waits any more. */
  async #applied(position: number): Promise<void> {
    const { store, logName } = this.#options
    const { signal } = this.#closed
    while (!signal.aborted && store.watermark(logName) <= position)
      await sleep(pollMs, undefined, { signal }).catch(() => undefined)
  }

  /** Whether `done` resolves in time. */
  async #within(done: Promise<void>): Promise<boolean> {
    const late = new AbortController()
    const wait = sleep(waitMsMax, false, { signal: late.signal }).catch(() => false)
    const inTime = await Promise.race([done.then(() => !this.#closed.signal.aborted), wait])
    late.abort()
    return inTime
  }

  #forget(userId: string): void {
    const left = (this.#erasing.get(userId) ?? 0) - 1
    if (left > 0) this.#erasing.set(userId, left)
    else this.#erasing.delete(userId)
  }

  /** Keeps labelling from beginning with a user who is about to be erased; erasures share the lock. Throws LockedError. */
  #holdLabelling(): () => void {
    const { dir } = this.#options
    if (this.#labelling === undefined && existsSync(labellingDir(dir)))
      this.#labelling = { lock: lockLabelling(dir, 'serve'), holders: 0 }
    const held = this.#labelling
    if (held === undefined) return () => {}
    held.holders++
    return () => {
      if (--held.holders > 0 || this.#labelling !== held) return
      held.lock.release()
      this.#labelling = undefined
    }
  }
}
