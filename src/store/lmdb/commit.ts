// Committing: what one transaction of the engine changed becomes one transaction of LMDB, durable when it is committed.
// Here, before the caller goes on; or in a thread of its own, while the next batch is worked on in memory.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Database, RootDatabase } from 'lmdb'
import { unreachable } from '../../core/assert.ts'
import { openNamed, openNumbered, transact, writeFailure } from '../../lmdb/open.ts'
import type { Key, TableChanges } from './table.ts'

/** The thread's short-lived memory: a transaction at a time. */
const threadYoungMb = 8
/** Shared memory that is kept for the next commit; one that needs more gets memory of its own. */
const idleBytesMax = 4 << 20

export type Committer = {
  /** Commits the changes after all earlier ones; what it resolves to is on disk. Errors reject, saying what to do. */
  commit(changes: readonly TableChanges[]): Promise<void> | undefined
  /** Whether the next commit is made in a thread. */
  inThread(): boolean
  close(): Promise<void>
}

/** Commits before it returns; errors are thrown. */
export function commitHere(env: RootDatabase, path: string): Committer {
  const tables = new Map<string, Database<Buffer, Key>>()
  return {
    commit(changes) {
      try {
        transact(env, () => applyChanges(env, tables, changes))
        return undefined
      } catch (error) {
        throw writeFailure(error, path)
      }
    },
    inThread: () => false,
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
export type CommitReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed' }
  | { readonly kind: 'failed'; readonly message: string; readonly code: unknown }

/**
 * Commits in a thread, which is started after so many commits and until it is ready commits are made here: what runs for
 * a moment does without it. `landed` is called for each commit of the thread, once readers see it.
 */
export function commitInThread(
  here: Committer,
  input: CommitThreadInput,
  { after, landed }: { after: number; landed: () => void },
): Committer {
  let commits = 0
  let thread: CommitThread | undefined
  return {
    commit(changes) {
      if (commits++ === after) thread = new CommitThread(input, landed)
      return thread?.ready ? thread.commit(changes) : here.commit(changes)
    },
    inThread: () => thread?.ready === true,
    close: async () => thread?.close(),
  }
}

class CommitThread {
  ready = false
  readonly #worker: Worker
  readonly #exited: Promise<void>
  readonly #waiting: { bytes: SharedArrayBuffer; resolve(): void; reject(error: unknown): void }[] = []
  /** Shared memory of commits that are done, to be used again. */
  readonly #idle: SharedArrayBuffer[] = []
  #failure: unknown

  constructor(input: CommitThreadInput, landed: () => void) {
    this.#worker = new Worker(new URL('./commit-thread.js', import.meta.url), {
      workerData: input,
      resourceLimits: { maxYoungGenerationSizeMb: threadYoungMb },
    })
    this.#worker.unref() // only commits under way keep the process
    this.#worker.on('message', (reply: CommitReply) => {
      switch (reply.kind) {
        case 'ready':
          this.ready = true
          return
        case 'committed':
          landed()
          return this.#done()
        case 'failed':
          return this.#fail(
            writeFailure(Object.assign(new Error(reply.message), { code: reply.code }), input.path),
          )
        default:
          unreachable(reply)
      }
    })
    this.#worker.once('error', (error) => this.#fail(error))
    this.#exited = once(this.#worker, 'exit').then(() => this.#fail(new Error('the commit thread has ended')))
  }

  commit(changes: readonly TableChanges[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const packed = pack(changes, this.#idle.pop())
    this.#worker.ref()
    this.#worker.postMessage(packed)
    return new Promise((resolve, reject) => this.#waiting.push({ bytes: packed.bytes, resolve, reject }))
  }

  async close(): Promise<void> {
    this.#worker.ref()
    this.#worker.postMessage('close')
    await this.#exited
  }

  #done(): void {
    const { bytes, resolve } = this.#waiting.shift()!
    if (bytes.byteLength <= idleBytesMax) this.#idle.push(bytes)
    resolve()
    if (this.#waiting.length === 0) this.#worker.unref()
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.ready = true // a thread that could not start is no reason to go on without it: the next commit is told
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}

/** Copies the rows into shared memory; `rows` of the changes are those copies from now on. */
function pack(changes: readonly TableChanges[], idle: SharedArrayBuffer | undefined): PackedChanges {
  let size = 0
  for (const { rows } of changes) for (const row of rows.values()) size += row?.length ?? 0
  const bytes =
    idle !== undefined && idle.byteLength >= size ? idle : new SharedArrayBuffer(Math.max(size, idleBytesMax))
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
