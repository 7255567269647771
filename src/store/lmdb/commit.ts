// Committing: what one transaction of the engine changed becomes one transaction of LMDB, durable when it is committed.
// Here, before the caller goes on; or in a thread of its own, while the next batch is worked on in memory.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Database, RootDatabase } from 'lmdb'
import { openNamed, openNumbered, writeFailure } from '../../lmdb/open.ts'
import type { Key, TableChanges } from './table.ts'

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
  for (const { table, keys, values } of changes) {
    const db = opened.get(table) ?? openFor(env, table, keys[0]!)
    opened.set(table, db)
    for (let i = 0; i < keys.length; i++) {
      const value = values[i]
      if (value === undefined) db.remove(keys[i]!)
      else db.put(keys[i]!, value)
    }
  }
}

function openFor(env: RootDatabase, table: string, key: Key): Database<Buffer, Key> {
  return (typeof key === 'number' ? openNumbered(env, table) : openNamed(env, table)) as Database<Buffer, Key>
}

/** Changes of one table as a thread hands them over: `lengths` has −1 for a row to remove; `bytes` are all values in order. */
export type PackedChanges = {
  readonly table: string
  readonly keys: Float64Array | readonly string[]
  readonly lengths: Int32Array
  readonly bytes: Uint8Array<ArrayBuffer>
}

export type CommitThreadInput = { readonly path: string; readonly mapSizeBytes: number }
export type CommitReply = { readonly error?: { readonly message: string; readonly code: unknown } }

/** Commits in a thread, in order; `committed` is called here for each commit, once readers see it. */
export function commitInThread(input: CommitThreadInput, committed: () => void): Committer {
  const worker = new Worker(new URL('./commit-thread.js', import.meta.url), { workerData: input })
  const waiting: { resolve(): void; reject(error: unknown): void }[] = []
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
    waiting.shift()!.resolve()
    if (waiting.length === 0) worker.unref() // nothing to wait for
  })
  worker.once('error', fail)
  const exited = once(worker, 'exit').then(() => fail(new Error('the commit thread has ended')))
  worker.unref()
  return {
    commit(changes) {
      if (failure !== undefined) throw failure
      const packed = changes.map(pack)
      worker.ref()
      worker.postMessage(
        packed,
        packed.map(({ bytes }) => bytes.buffer),
      )
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    async close() {
      worker.ref()
      worker.postMessage('close')
      await exited
    },
  }
}

function pack({ table, keys, values }: TableChanges): PackedChanges {
  const lengths = new Int32Array(keys.length)
  let size = 0
  for (const [i, value] of values.entries()) {
    lengths[i] = value === undefined ? -1 : value.length
    if (value !== undefined) size += value.length
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const value of values) {
    if (value === undefined) continue
    bytes.set(value, at)
    at += value.length
  }
  return {
    table,
    keys: typeof keys[0] === 'number' ? Float64Array.from(keys as number[]) : (keys as string[]),
    lengths,
    bytes,
  }
}

/** The changes as they were before they were packed. */
export function unpack({ table, keys, lengths, bytes }: PackedChanges): TableChanges {
  const values: (Buffer | undefined)[] = []
  let at = 0
  for (const length of lengths) {
    values.push(length < 0 ? undefined : Buffer.from(bytes.buffer, at, length))
    at += Math.max(0, length)
  }
  return { table, keys: keys as readonly Key[], values }
}
