// Committing: what one transaction of the engine changed becomes one transaction of LMDB, durable when it is committed.
// Here, before the caller goes on; or in a thread of its own, while the next batch is worked on in memory.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Database, RootDatabase } from 'lmdb'
import { openNamed, openNumbered, writeFailure } from '../../lmdb/open.ts'
import type { Key, TableChanges } from './table.ts'

/** The thread's short-lived memory: a transaction at a time. */
const threadYoungMb = 8

export type Committer = {
  /** Commits the changes after all earlier ones; what it resolves to is on disk. Errors reject, saying what to do. */
  commit(changes: readonly TableChanges[]): Promise<void> | undefined
  close(): Promise<void>
}

/** Commits before it returns; errors are thrown. */
export function commitHere(env: RootDatabase, path: string): Committer {
  const tables = new Map<string, Database<Buffer, Key>>()
  return {
    commit(changes) {
      try {
        env.transactionSync(() => applyChanges(env, tables, changes))
        return undefined
      } catch (error) {
        throw writeFailure(error, path)
      }
    },
    close: async () => {},
  }
}

/** Inside a transaction: puts and removes what `changes` say. */
export function applyChanges(
  env: RootDatabase,
  opened: Map<string, Database<Buffer, Key>>,
  changes: readonly TableChanges[],
): void {
  for (const { table, keys, rows } of changes) {
    const db = opened.get(table) ?? openFor(env, table, keys[0]!)
    opened.set(table, db)
    for (const key of keys) {
      const row = rows.get(key)
      if (row === undefined) db.remove(key)
      else db.put(key, row)
    }
  }
}

function openFor(env: RootDatabase, table: string, key: Key): Database<Buffer, Key> {
  return (typeof key === 'number' ? openNumbered(env, table) : openNamed(env, table)) as Database<Buffer, Key>
}

/** Changes of one table as a thread hands them over: `lengths` has −1 for a row to remove. */
export type PackedTable = {
  readonly table: string
  readonly keys: Float64Array | readonly string[]
  readonly lengths: Int32Array
}
/** Changes of one transaction: the rows of all tables one after another in shared memory. */
export type PackedChanges = {
  readonly tables: readonly PackedTable[]
  readonly bytes: SharedArrayBuffer
  readonly size: number
}

export type CommitThreadInput = { readonly path: string; readonly mapSizeBytes: number }
export type CommitReply = { readonly error?: { readonly message: string; readonly code: unknown } }

/** Commits in a thread, in order; `committed` is called here for each commit, once readers see it. */
export function commitInThread(input: CommitThreadInput, committed: () => void): Committer {
  const worker = new Worker(new URL('./commit-thread.js', import.meta.url), {
    workerData: input,
    resourceLimits: { maxYoungGenerationSizeMb: threadYoungMb },
  })
  const waiting: { bytes: SharedArrayBuffer; resolve(): void; reject(error: unknown): void }[] = []
  /** Shared memory of commits that are done, to be used again. */
  const idle: SharedArrayBuffer[] = []
  let failure: unknown
  const fail = (error: unknown) => {
    failure ??= error
    for (const { reject } of waiting.splice(0)) reject(failure)
  }
  worker.on('message', ({ error }: CommitReply) => {
    if (error !== undefined) {
      fail(writeFailure(Object.assign(new Error(error.message), { code: error.code }), input.path))
      return
    }
    committed()
    const { bytes, resolve } = waiting.shift()!
    idle.push(bytes)
    resolve()
    if (waiting.length === 0) worker.unref() // nothing to wait for
  })
  worker.once('error', fail)
  const exited = once(worker, 'exit').then(() => fail(new Error('the commit thread has ended')))
  worker.unref()
  return {
    commit(changes) {
      if (failure !== undefined) throw failure
      const packed = pack(changes, idle.pop())
      worker.ref()
      worker.postMessage(packed)
      return new Promise((resolve, reject) => waiting.push({ bytes: packed.bytes, resolve, reject }))
    },
    async close() {
      worker.ref()
      worker.postMessage('close')
      await exited
    },
  }
}

/** Copies the rows into shared memory; `rows` of the changes are those copies from now on. */
function pack(changes: readonly TableChanges[], idle: SharedArrayBuffer | undefined): PackedChanges {
  let size = 0
  for (const { rows } of changes) for (const row of rows.values()) size += row?.length ?? 0
  const bytes = idle !== undefined && idle.byteLength >= size ? idle : new SharedArrayBuffer(size * 2)
  const all = Buffer.from(bytes)
  let at = 0
  const tables = changes.map(({ table, keys, rows }) => {
    const lengths = new Int32Array(keys.length)
    for (const [i, key] of keys.entries()) {
      const row = rows.get(key)
      lengths[i] = row === undefined ? -1 : row.length
      if (row === undefined) continue
      row.copy(all, at)
      rows.set(key, all.subarray(at, at + row.length))
      at += row.length
    }
    const packedKeys = typeof keys[0] === 'number' ? Float64Array.from(keys as number[]) : (keys as string[])
    return { table, keys: packedKeys, lengths }
  })
  return { tables, bytes, size }
}

/** The changes as they were before they were packed, in memory of this thread. */
export function unpack({ tables, bytes, size }: PackedChanges): TableChanges[] {
  const all = Buffer.from(new Uint8Array(bytes, 0, size))
  let at = 0
  return tables.map(({ table, keys, lengths }) => {
    const rows = new Map<Key, Buffer | undefined>()
    for (const [i, length] of lengths.entries()) {
      rows.set(keys[i]!, length < 0 ? undefined : all.subarray(at, at + length))
      at += Math.max(0, length)
    }
    return { table, keys: [...keys], rows }
  })
}
