// Random operations on a store: every writing method, with arguments drawn from what is there.
import fc from 'fast-check'
import type { UserIndex } from '../../src/core/ids.ts'
import { shareOne } from '../../src/core/limits.ts'
import type { SinkCursor, StoreWriter } from '../../src/store/port.ts'
import { dumpedNames } from './store-dump.ts'
import * as fx from './store-fixtures.ts'

/** `a`, `b`, `c` are read by each kind as it likes. */
export type Operation = { readonly kind: Kind; readonly a: number; readonly b: number; readonly c: number }
type Kind = keyof typeof operations

const nameOf = (n: number) => dumpedNames[n % dumpedNames.length]!
const pick = <T>(all: readonly T[], n: number) => (all.length === 0 ? undefined : all[n % all.length])
const users = (tx: StoreWriter) => [...tx.users()]
const products = (tx: StoreWriter) => [...tx.products()]
const versionOf = (n: number) => (n % 3) + 1
const sharesOf = (n: number) => [{ persona: n % 3, share: shareOne }]

/** Each gives back what the store answered. */
const operations = {
  addUser: (tx, { a }) => tx.userIndexOf(nameOf(a)) ?? fx.addUser(tx, nameOf(a)),
  addProduct: (tx, { a }) => tx.productIndexOf(nameOf(a)) ?? tx.addProduct(fx.productRow(nameOf(a))),
  putUser(tx, { a, b, c }) {
    const user = pick(users(tx), a)
    if (user === undefined) return
    const { userId } = tx.user(user)!
    const held = b % 2 === 0 ? [] : [{ persona: c % 3, since: b }]
    const scores = Float64Array.of(b, c, b * c)
    tx.putUser(user, fx.userRow(userId, { status: 'inferred', method: 'exact', sequence: b, scores, held }))
  },
  putProduct(tx, { a, b }) {
    const product = pick(products(tx), a)
    if (product !== undefined) tx.putProduct(product, { ...tx.product(product)!, title: nameOf(b) })
  },
  putEdge(tx, { a, b, c }) {
    const user = pick(users(tx), a)
    const product = pick(products(tx), b)
    const weight = [1000, 300, 0, -1][c % 4]!
    if (user !== undefined && product !== undefined)
      tx.putEdge(user, product, weight < 0 ? undefined : fx.edgeOf(c), Math.max(0, weight))
  },
  removeUser(tx, { a }) {
    const user = pick(users(tx), a)
    if (user === undefined) return
    for (const { product } of [...tx.edgesOf(user)]) tx.putEdge(user, product, undefined, 0)
    for (const version of [1, 2, 3]) tx.dropLabels(version, user)
    tx.removeChangesOf(user)
    tx.removeUser(user)
  },
  putVector(tx, { a, b, c }) {
    const product = pick(products(tx), b)
    if (product !== undefined)
      tx.putVector(versionOf(a), product, {
        mass: c,
        b: Float64Array.of(c, 1),
        published: Float64Array.of(0, c),
        publishedAt: b,
      })
  },
  putVersion: (tx, { a, b }) => tx.putVersion({ ...fx.versionOf(versionOf(a)), hash: nameOf(b) }),
  dropVersion: (tx, { a }) => tx.dropVersion(versionOf(a)),
  putLabels(tx, { a, b, c }) {
    const user = pick(users(tx), b)
    if (user !== undefined) tx.putLabels(versionOf(a), user, sharesOf(c))
  },
  dropLabels: (tx, { a, b }) => tx.dropLabels(versionOf(a), b as UserIndex),
  putPendingImport(tx, { a, b, c }) {
    const labels = dumpedNames.slice(b % 20, (b % 20) + (c % 20)).reverse()
    tx.putPendingImport(
      { version: fx.versionOf(versionOf(a)), at: b % 2 === 0 ? undefined : b },
      labels.map((name) => ({ userId: fx.userId(name), shares: sharesOf(b) })),
    )
  },
  dropPendingLabel: (tx, { a }) => tx.dropPendingLabel(nameOf(a)),
  dropPendingImport: (tx) => tx.dropPendingImport(),
  seen: (tx, { a }) => tx.seen(fx.eventId(nameOf(a)), tx.count.position),
  remember(tx, { a }) {
    const eventId = fx.eventId(nameOf(a))
    if (!tx.seen(eventId, tx.count.position)) tx.remember(eventId, tx.count.position)
  },
  setWatermark: (tx, { a, b }) => tx.setWatermark(nameOf(a), b),
  addJournal(tx, { a, b }) {
    const last = [...tx.journal()].at(-1)
    const from = b % 2 === 0 ? (last?.to ?? 0) : b
    tx.addJournal({ source: nameOf(a % 2), from, to: from + 1 + (b % 5), position: tx.count.position })
  },
  trimJournal: (tx, { a }) => tx.trimJournal(a % 5),
  putSchema: (tx, { a, b }) => tx.putSchema(nameOf(a), JSON.stringify(nameOf(b))),
  addErasure: (tx, { a }) => tx.addErasure(nameOf(a)),
  trimErasures: (tx, { a }) => tx.trimErasures(Math.max(0, tx.count.changes - (a % 10))),
  addChange: (tx, { a, b }) => tx.addChange((a % 5) as UserIndex, JSON.stringify(nameOf(b))),
  removeChangesOf: (tx, { a }) => tx.removeChangesOf((a % 5) as UserIndex),
  trimChanges: (tx, { a }) => tx.trimChanges(Math.max(0, tx.count.changes - (a % 10))),
  setSinkCursor: (tx, { a, b, c }) => tx.setSinkCursor(nameOf(a), cursorOf(b, c)),
  dropSinkCursor: (tx, { a }) => tx.dropSinkCursor(nameOf(a)),
  addQuarantined: (tx, { a, b }) => tx.addQuarantined(recordOf(a, b)),
  updateQuarantined(tx, { a, b, c }) {
    const record = pick(tx.quarantinedRecords(0, 100), a)
    if (record !== undefined) tx.updateQuarantined({ ...record, ...recordOf(b, c) })
  },
  removeQuarantined: (tx, { a }) => tx.removeQuarantined(a % 20),
  putTombstone: (tx, { a, b, c }) =>
    tx.putTombstone(nameOf(a), { position: b, watermarks: { [nameOf(c)]: b } }),
  addScrub: (tx, { a, b }) => tx.addScrub({ userId: nameOf(a), before: b }),
  removeScrub(tx, { a }) {
    const scrub = pick(tx.scrubs(), a)
    if (scrub !== undefined) tx.removeScrub(scrub.id)
  },
  count(tx, { a, b }) {
    tx.count.streamTs = a
    tx.count.version = versionOf(b)
    tx.count.rewalks += b
  },
} as const satisfies Record<string, (tx: StoreWriter, operation: Arguments) => unknown>

type Arguments = { readonly a: number; readonly b: number; readonly c: number }

/** One operation a position; returns what the store answered. */
export function runOperations(tx: StoreWriter, all: readonly Operation[]): unknown[] {
  return all.map((operation) => {
    const answer = operations[operation.kind](tx, operation)
    tx.count.position++
    return answer
  })
}

export type Batch = { readonly all: readonly Operation[]; readonly undo: boolean }

const argument = fc.nat({ max: 500 })
const kinds = Object.keys(operations) as Kind[]
const growing = ['addUser', 'addProduct', 'putEdge', 'putEdge', 'putUser', 'remember', 'addChange'] as const
const operation = fc.record({
  kind: fc.oneof(fc.constantFrom(...kinds), fc.constantFrom(...growing)),
  a: argument,
  b: argument,
  c: argument,
})

export const batchesArbitrary: fc.Arbitrary<Batch[]> = fc.array(
  fc.record({ all: fc.array(operation, { maxLength: 30, size: 'max' }), undo: fc.boolean() }),
  { maxLength: 6, size: 'max' },
)

/** One of every operation, after enough of those that make something to work on. */
export const everyOperation: readonly Operation[] = [
  ...Array.from({ length: 40 }, (_, n) => ({ kind: growing[n % growing.length]!, a: n * 7, b: n * 3, c: n })),
  ...kinds.map((kind, n) => ({ kind, a: n * 5, b: n * 11, c: n })),
]

function cursorOf(next: number, kind: number): SinkCursor {
  return [{ next }, { next, erasures: true }, { next, feed: 'quarantine' as const }][kind % 3]!
}

function recordOf(a: number, b: number) {
  return {
    source: nameOf(a),
    offset: b,
    format: 'ndjson',
    cause: nameOf(b),
    bytes: Uint8Array.of(a % 256, b % 256),
    ...(a % 2 === 0 ? {} : { envelope: JSON.stringify({ key: nameOf(b) }) }),
  }
}
