// Webhooks on disk: subscriptions, what waits for each, and dead letters, in an LMDB environment of their own beside state
// and log. Subscriptions are written by whoever administers them (API or command; LMDB serialises the edits), the queue by
// the thread that delivers; every change of both is one transaction, on disk when it returns.
import { randomInt } from 'node:crypto'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { noCounts, type Subscription, type WebhookCounts } from '../../codec/webhook-subscription.ts'
import { FatalError, messageOf } from '../../errors.ts'
import { closeLmdb, mapUseOf, openLmdb, openNamed, transact, writeFailure } from '../../lmdb/open.ts'
import { closeToOthers } from '../../lmdb/owner-only.ts'

/** One POST that is owed. Times in ms since 1970. */
export type Delivery = {
  readonly number: number
  /** −1: the whole event; else which persona of it (codec/webhook-body.ts). */
  readonly part: number
  readonly user_id: string
  readonly event_id: string
  /** The change event as the outbox had it. */
  readonly json: string
  readonly queued_at: number
  readonly attempts: number
  /** Good as long as the subscription was resumed `resumes` times (none when left out): after another it is due at once. */
  readonly due_at: number
  readonly resumes?: number
  readonly error?: string
}
export type LetterReason = 'expired' | 'queue_full'
export type Letter = Delivery & { readonly reason: LetterReason; readonly died_at: number }
export type Keyed<Row> = Row & { readonly key: string }

type NamedTable = Database<Buffer, string>
type Tables = Readonly<Record<'subscriptions' | 'queue' | 'letters' | 'counts' | 'meta', NamedTable>>

const directory = 'webhooks'
const idForm = /^wh_[a-z0-9]{1,64}$/
/** Users that rows are looked through for before they are parsed. */
const marksMax = 8
/** Sort before every key, and behind every key of a subscription. */
const first = ' '
const last = '\uffff'

/** Whether a data directory has anything of webhooks. */
export function hasWebhooks(dir: string): boolean {
  const path = join(dir, directory, 'data.mdb')
  try {
    statSync(path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw new FatalError(
      `${path}: ${messageOf(error)}; webhooks are for the owner of the data alone: run it as them`,
    )
  }
}

/** Key of a delivery: rows of one subscription lie in the order of their change rows. */
export function deliveryKey(
  subscription: string,
  { number, part }: { number: number; part: number },
): string {
  return `${subscription}/${String(number).padStart(16, '0')}/${String(part + 1).padStart(4, '0')}`
}

export function subscriptionOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

export class WebhookStore {
  readonly path: string
  readonly #env: RootDatabase
  readonly #tables: Tables
  /** Changes of counts in the running transaction. */
  readonly #deltas = new Map<string, { -readonly [name in keyof WebhookCounts]: number }>()

  constructor({ dir, mapSizeBytes }: { dir: string; mapSizeBytes: number }) {
    this.path = join(dir, directory)
    this.#env = openLmdb({ path: this.path, mapSizeBytes, ownerOnly: true })
    const open = (name: keyof Tables): NamedTable => openNamed(this.#env, name)
    this.#tables = {
      subscriptions: open('subscriptions'),
      queue: open('queue'),
      letters: open('letters'),
      counts: open('counts'),
      meta: open('meta'),
    }
  }

  /** Runs `change` as one transaction: what it throws undoes it. Throws FatalError when the disk does not take it. */
  transact<T>(change: () => T): T {
    let thrown: { readonly error: unknown } | undefined
    try {
      return transact(this.#env, () => {
        try {
          const result = change()
          this.#writeCounts()
          return result
        } catch (error) {
          thrown = { error }
          throw error
        }
      })
    } catch (error) {
      throw thrown !== undefined ? thrown.error : writeFailure(error, this.path)
    } finally {
      this.#deltas.clear()
    }
  }

  /** Lets reads see what other threads and processes have committed by now. */
  refresh(): this {
    this.#env.resetReadTxn()
    return this
  }

  /** Changes whenever a subscription did. */
  get revision(): number {
    return this.#number('revision') ?? 0
  }

  /** Number of the change row to take next; undefined before the first. */
  get next(): number | undefined {
    return this.#number('next')
  }

  set next(next: number) {
    this.#tables.meta.put('next', encode(next))
  }

  /** Seed of back-off: installations that lost the same receiver do not come back in step. */
  seed(): number {
    return this.transact(() => {
      const seed = this.#number('seed') ?? randomInt(2 ** 32)
      this.#tables.meta.put('seed', encode(seed))
      return seed
    })
  }

  subscriptions(): Subscription[] {
    return Array.from(this.#tables.subscriptions.getRange({ start: first }), ({ value }) =>
      decode<Subscription>(value),
    )
  }

  /** Of any text, also one that cannot be a key. */
  subscription(id: string): Subscription | undefined {
    if (!idForm.test(id)) return undefined
    const bytes = this.#tables.subscriptions.get(id)
    return bytes === undefined ? undefined : decode(bytes)
  }

  putSubscription(subscription: Subscription): void {
    this.#tables.subscriptions.put(subscription.id, encode(subscription))
    this.#touch()
  }

  /** Notes until when its receiver asks to be left alone; no edit, for nobody but who delivers goes by it. */
  pause(id: string, until: number): void {
    const subscription = this.subscription(id)
    if (subscription === undefined || until <= (subscription.paused_until ?? 0)) return
    this.#tables.subscriptions.put(id, encode({ ...subscription, paused_until: until }))
  }

  /** Its secrets are gone with it; what waits for it is purged by the thread that delivers. */
  removeSubscription(id: string): void {
    this.#tables.subscriptions.remove(id)
    this.#tables.counts.remove(id)
    this.#touch()
  }

  counts(id: string): WebhookCounts {
    const bytes = this.#tables.counts.get(id)
    const counts: WebhookCounts = bytes === undefined ? noCounts : decode(bytes)
    const deltas = this.#deltas.get(id)
    if (deltas === undefined) return counts
    return {
      queued: counts.queued + deltas.queued,
      dead_letters: counts.dead_letters + deltas.dead_letters,
      delivered: counts.delivered + deltas.delivered,
      skipped: counts.skipped + deltas.skipped,
    }
  }

  count(id: string, change: Partial<WebhookCounts>): void {
    const deltas = this.#deltas.get(id) ?? { ...noCounts }
    this.#deltas.set(id, deltas)
    for (const [name, by] of Object.entries(change)) deltas[name as keyof WebhookCounts] += by
  }

  delivery(key: string): Delivery | undefined {
    const bytes = this.#tables.queue.get(key)
    return bytes === undefined ? undefined : decode(bytes)
  }

  /** What waits for a subscription, in order. */
  *queue(id: string): Generator<Keyed<Delivery>> {
    yield* rowsOf<Delivery>(this.#tables.queue, id)
  }

  addDelivery(key: string, delivery: Delivery): void {
    this.#tables.queue.put(key, encode(delivery))
    this.count(subscriptionOf(key), { queued: 1 })
  }

  /** Notes a failed attempt, if the delivery still waits. */
  updateDelivery(key: string, change: Partial<Delivery>): void {
    const delivery = this.delivery(key)
    if (delivery !== undefined) this.#tables.queue.put(key, encode({ ...delivery, ...change }))
  }

  /** Takes a delivery out of the queue; undefined when it is not there any more. */
  takeDelivery(key: string): Delivery | undefined {
    const delivery = this.delivery(key)
    if (delivery === undefined) return undefined
    this.#tables.queue.remove(key)
    this.count(subscriptionOf(key), { queued: -1 })
    return delivery
  }

  addLetter(key: string, letter: Letter): void {
    const before = this.#tables.letters.get(key) === undefined
    this.#tables.letters.put(key, encode(letter))
    if (before) this.count(subscriptionOf(key), { dead_letters: 1 })
  }

  /** Dead letters of a subscription from behind `after`, oldest first. */
  letters(id: string, { after, limit }: { after: string | undefined; limit: number }): Keyed<Letter>[] {
    const found: Keyed<Letter>[] = []
    for (const row of rowsOf<Letter>(this.#tables.letters, id, after)) {
      if (row.key === after) continue
      if (found.length === limit) break
      found.push(row)
    }
    return found
  }

  removeLetter(key: string): void {
    if (this.#tables.letters.get(key) === undefined) return
    this.#tables.letters.remove(key)
    this.count(subscriptionOf(key), { dead_letters: -1 })
  }

  /** Removes what waits and what died of erased users, in one reading of all rows; the keys that waited. */
  removeUsers(userIds: ReadonlySet<string>): string[] {
    if (userIds.size === 0) return []
    const marks = [...userIds].slice(0, marksMax).map((userId) => Buffer.from(JSON.stringify(userId)))
    // most rows need not be parsed, as long as there are few to look for
    const may = (value: Buffer) => userIds.size > marksMax || marks.some((mark) => value.includes(mark))
    const found = (table: NamedTable) => {
      const keys: string[] = []
      for (const { key, value } of table.getRange({ start: first }))
        if (may(value) && userIds.has(decode<Delivery>(value).user_id)) keys.push(key)
      return keys
    }
    const waiting = found(this.#tables.queue)
    for (const key of waiting) this.takeDelivery(key)
    for (const key of found(this.#tables.letters)) this.removeLetter(key)
    return waiting
  }

  /** Removes rows of subscriptions that are gone, `limit` at the most; whether there may be more. */
  purge(limit: number): boolean {
    const known = new Set(this.subscriptions().map(({ id }) => id))
    let left = limit
    for (const table of [this.#tables.queue, this.#tables.letters]) {
      for (let start = first; left > 0; ) {
        const [key] = table.getKeys({ start, limit: 1 })
        if (key === undefined) break
        const id = subscriptionOf(key)
        if (known.has(id)) start = `${id}/${last}`
        else {
          table.remove(key)
          left--
        }
      }
    }
    return left === 0
  }

  /** Bytes of the memory map that are in use, and its size. */
  mapUse(): { used: number; size: number } {
    return mapUseOf(this.#env)
  }

  /** A copy of all of it in another data directory. */
  async backup(dir: string): Promise<void> {
    const path = join(dir, directory)
    mkdirSync(path, { recursive: true })
    closeToOthers(path)
    await this.#env.backup(path, true)
    closeToOthers(path)
  }

  async close(): Promise<void> {
    await closeLmdb(this.#env)
  }

  #touch(): void {
    this.#tables.meta.put('revision', encode(this.revision + 1))
  }

  #number(name: string): number | undefined {
    const bytes = this.#tables.meta.get(name)
    return bytes === undefined ? undefined : decode(bytes)
  }

  #writeCounts(): void {
    for (const id of this.#deltas.keys())
      if (this.subscription(id) !== undefined) this.#tables.counts.put(id, encode(this.counts(id)))
  }
}

function* rowsOf<Row>(table: NamedTable, id: string, after?: string): Generator<Keyed<Row>> {
  for (const { key, value } of table.getRange({ start: after ?? `${id}/`, end: `${id}/${last}` }))
    yield { ...decode<Row>(value), key }
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function decode<T>(bytes: Buffer): T {
  return JSON.parse(bytes.toString('utf8')) as T
}
