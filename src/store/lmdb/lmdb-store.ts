// LMDB adapter of the store: one synchronous transaction a batch; rows are written once, in key order, at its end.
import { assert } from '../../core/assert.ts'
import { mapUseOf, writeFailure } from '../../lmdb/open.ts'
import { type Counters, emptyCounters, type Store, type StoreWriter } from '../port.ts'
import { edgeTables } from './edge-tables.ts'
import { type Environment, openEnvironment, readMeta, type Settings, writeMeta } from './environment.ts'
import { erasureTables } from './erasure-tables.ts'
import { nodeTables } from './node-tables.ts'
import { SeenIds } from './seen.ts'
import { streamTables } from './stream-tables.ts'
import { newTransactionState } from './transaction.ts'
import { versionTables } from './version-tables.ts'

export type LmdbStoreOptions = {
  readonly path: string
  /** Settings that answers depend on: kept with a new store, compared with an old one. */
  readonly settings: Settings
  readonly mapSizeBytes: number
  readonly dedupeHorizon: number
  readonly readOnly?: boolean
}

export type LmdbStore = Store & {
  /** What lies below, for what works on the tables themselves. */
  readonly environment: Environment
  /** Copies the store to a directory, as of now, without free pages. */
  backup(path: string): Promise<void>
  /** Bytes of the memory map that are in use, and its size. */
  mapUse(): { used: number; size: number }
}

/** Opens (or makes) the store in the directory `path`. Throws FatalError saying what to do. */
export function openLmdbStore(options: LmdbStoreOptions): LmdbStore {
  const environment = openEnvironment(options)
  const { env } = environment
  const key = readMeta<string>(environment, 'erasure_key') ?? ''
  const state = newTransactionState()
  const seen = new SeenIds(environment.edited.seen, { horizon: options.dedupeHorizon, key })
  const edges = edgeTables(environment, state)
  const tables = [...Object.values(environment.tables), ...Object.values(environment.edited)]
  const stored = (): Counters => ({ ...emptyCounters(), ...readMeta<Counters>(environment, 'counters') })
  const writer: StoreWriter = {
    ...nodeTables(environment, state),
    ...edges,
    ...versionTables(environment),
    ...streamTables(environment, { state, seen }),
    ...erasureTables(environment, { state, key }),
    counters: () => (state.writing ? state.count : stored()),
    get count() {
      return state.count
    },
  }

  function run<T>(change: (tx: StoreWriter) => T): T {
    state.writing = true
    state.count = stored()
    edges.forgetLast()
    for (const table of tables) table.begin()
    const result = change(writer)
    seen.trim(state.count.position)
    for (const table of tables) table.flush()
    writeMeta(environment, 'counters', state.count)
    return result
  }

  /** Nothing of an undone transaction stays in memory. */
  function undo(): void {
    for (const table of tables) table.abandon()
    seen.unload()
    state.userIds.clear()
    state.productIds.clear()
  }

  return {
    ...writer,
    environment,
    transact(change) {
      assert(!state.writing, 'transactions do not nest')
      try {
        return env.transactionSync(() => run(change))
      } catch (error) {
        undo()
        throw writeFailure(error, options.path)
      } finally {
        state.writing = false
        state.erased = undefined
      }
    },
    async flushed() {
      await env.flushed
    },
    async close() {
      if (options.readOnly !== true) await env.flushed
      await env.close()
    },
    async backup(path) {
      await env.backup(path, true)
    },
    mapUse: () => mapUseOf(env),
  }
}
