// LMDB adapter of the store: a batch changes rows in memory; at its end they are written once, in key order, in one
// transaction.
import { assert } from '../../core/assert.ts'
import { closeLmdb, dropDeadReaders, mapUseOf } from '../../lmdb/open.ts'
import { type Counters, emptyCounters, type Store, type StoreWriter } from '../port.ts'
import { type Committer, commitHere, commitInThread } from './commit.ts'
import { edgeTables } from './edge-tables.ts'
import {
  abandoned,
  type Environment,
  landed,
  openEnvironment,
  readMeta,
  type Settings,
  sealed,
  writeMeta,
} from './environment.ts'
import { erasureTables } from './erasure-tables.ts'
import { nodeTables } from './node-tables.ts'
import { sameStore } from './same-store.ts'
import { SeenIds } from './seen.ts'
import { streamTables } from './stream-tables.ts'
import type { TableChanges } from './table.ts'
import { newTransactionState } from './transaction.ts'
import { versionTables } from './version-tables.ts'

export type LmdbStoreOptions = {
  readonly path: string
  /** Settings that answers depend on: kept with a new store, compared with an old one. */
  readonly settings: Settings
  readonly mapSizeBytes: number
  readonly dedupeHorizon: number
  readonly readOnly?: boolean
  /** Read only, beside a writer in another thread of this process. */
  readonly besideWriter?: boolean
  /** From this commit on they are made in a thread, while the next transaction is worked on; else before `transact` returns. */
  readonly commitThreadAfter?: number | undefined
}

export type LmdbStore = Store & {
  /** What lies below, for what works on the tables themselves. */
  readonly environment: Environment
  /** Names this store among all others; a copy has the same. */
  readonly id: string
  /** Whether the next commit is made in a thread. */
  commitsInThread(): boolean
  /** Copies the store to a directory, as of now, without free pages. */
  backup(path: string): Promise<void>
  /** Bytes of the memory map that are in use, and its size. */
  mapUse(): { used: number; size: number }
  /** Gives back what readers that were killed held: pages that they read are not used again before. */
  dropDeadReaders(): void
  /** Why this is not the store at its path any more; undefined while it is. */
  replaced(): string | undefined
}

/** Opens (or makes) the store in the directory `path`. Throws FatalError saying what to do. */
export function openLmdbStore(options: LmdbStoreOptions): LmdbStore {
  const environment = openEnvironment(options)
  const { env } = environment
  const key = readMeta<string>(environment, 'erasure_key') ?? ''
  const state = newTransactionState()
  const seen = new SeenIds(environment.edited.seen, { horizon: options.dedupeHorizon, key })
  const edges = edgeTables(environment, state)
  const committer = options.readOnly === true ? undefined : committerFor(environment, options)
  let lastCommit: Promise<void> = Promise.resolve()
  let failure: { readonly error: unknown } | undefined
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
    for (const table of Object.values(environment.edited)) table.begin()
    const result = change(writer)
    seen.trim(state.count.position)
    writeMeta(environment, 'counters', state.count)
    return result
  }

  /** After a commit that failed memory is ahead of the disk: nothing is taken any more. */
  function commit(changes: TableChanges[]): void {
    assert(committer !== undefined, 'a store opened for writing')
    let committing: Promise<void> | undefined
    try {
      committing = committer.commit(changes)
    } catch (error) {
      for (const table of environment.all) table.sunk()
      throw error
    }
    if (committing === undefined) landed(environment)
    else
      lastCommit = committing.catch((error: unknown) => {
        failure ??= { error }
      })
  }

  /** Nothing of an undone transaction stays in memory. */
  function undo(): void {
    abandoned(environment)
    seen.unload()
    state.userIds.clear()
    state.productIds.clear()
  }

  return {
    ...writer,
    environment,
    id: readMeta<string>(environment, 'store_id') ?? '',
    transact(change) {
      assert(!state.writing, 'transactions do not nest')
      if (failure !== undefined) throw failure.error
      try {
        const result = run(change)
        commit(sealed(environment))
        for (const table of Object.values(environment.edited)) table.ended()
        return result
      } catch (error) {
        undo()
        throw error
      } finally {
        state.writing = false
        state.erased = undefined
      }
    },
    async flushed() {
      await lastCommit
      if (failure !== undefined) throw failure.error
    },
    async close() {
      await lastCommit
      await committer?.close()
      await closeLmdb(env)
    },
    commitsInThread: () => committer?.inThread() === true,
    async backup(path) {
      await env.backup(path, true)
    },
    mapUse: () => mapUseOf(env),
    dropDeadReaders: () => dropDeadReaders(env),
    replaced: sameStore(environment, options.path),
  }
}

function committerFor(environment: Environment, options: LmdbStoreOptions): Committer {
  const here = commitHere(environment.env, options.path)
  const { commitThreadAfter: after } = options
  return after === undefined
    ? here
    : commitInThread(here, options, { after, landed: () => landed(environment) })
}
