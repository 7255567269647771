// LMDB as state and log share it: opening an environment and its tables, with binary keys. Errors say what to do.
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, getLastTxnId, open, type RootDatabase } from 'lmdb'
import { FatalError, messageOf, NoDataError } from '../errors.ts'
import { closeToOthers } from './owner-only.ts'
import { claimProcessId } from './process-id.ts'
import { Turns } from './turns.ts'

declare module 'lmdb' {
  /** 32 bits of the number of the transaction that wrote the page of the record read last, in this thread. */
  export function getLastTxnId(): number
}

/** With less room than this a new environment cannot be made, and its lock file's mapping would end the process. */
const freeBytesMin = 1 << 20
/** What LMDB's errors are told apart by: errno of the write that failed, or its own code. */
const errno = { EIO: 5, ENOSPC: 28, EROFS: 30 } as const
const mapFull = -30792
/** Threads of all processes that may read an environment at once. */
const maxReaders = 1024

/** The turns of the environments that are open in this thread, and what closing one gives back. */
const turnsOf = new WeakMap<RootDatabase, Turns>()
const claimOf = new WeakMap<RootDatabase, { release(): void }>()

/**
 * Opens an LMDB environment in a directory of its own; errors say which directory and what to do. `ownerOnly`: it holds
 * secrets, and directory and files are for their owner alone, be they new or not.
 */
export function openLmdb({
  path,
  mapSizeBytes,
  readOnly = false,
  ownerOnly = false,
}: {
  path: string
  mapSizeBytes: number
  readOnly?: boolean
  ownerOnly?: boolean
}): RootDatabase {
  if (readOnly && !existsSync(join(path, 'data.mdb')))
    throw new NoDataError(
      `${path} holds no data of Kindred; name the directory given to \`replay\` or \`serve\` with --data`,
    )
  try {
    if (!readOnly) {
      mkdirSync(path, { recursive: true })
      if (freeBytes(path) < freeBytesMin) throw diskFull(path)
    }
    if (ownerOnly) closeToOthers(path) // before a file is made in it, which nobody can open then
    const env = openInTurn(path, { mapSizeBytes, readOnly })
    if (ownerOnly) closeToOthers(path)
    return env
  } catch (error) {
    if (error instanceof FatalError) throw error
    const failure = writeFailure(error, path)
    if (failure instanceof FatalError) throw failure
    throw new FatalError(
      `cannot open ${path}: ${messageOf(error)}; check that it exists, is writable and is not full`,
    )
  }
}

function openInTurn(
  path: string,
  { mapSizeBytes, readOnly }: { mapSizeBytes: number; readOnly: boolean },
): RootDatabase {
  const claim = claimProcessId(path, readOnly)
  const turns = new Turns(path, readOnly)
  try {
    const env = turns.take(() =>
      open({
        path,
        maxDbs: 32,
        maxReaders,
        mapSize: mapSizeBytes,
        readOnly,
        noSubdir: false,
        encoding: 'binary',
      }),
    )
    turnsOf.set(env, turns)
    claimOf.set(env, claim)
    return env
  } catch (error) {
    turns.close()
    claim.release()
    throw error
  }
}

/** One transaction, on disk when it returns: what `change` throws undoes it. */
export function transact<T>(env: RootDatabase, change: () => T): T {
  return turnsOf.get(env)!.take(() => env.transactionSync(change))
}

/** Closes an environment that this thread has opened. */
export async function closeLmdb(env: RootDatabase): Promise<void> {
  try {
    await env.close()
  } finally {
    turnsOf.get(env)?.close()
    turnsOf.delete(env)
    claimOf.get(env)?.release()
    claimOf.delete(env)
  }
}

/** What a failed write means: FatalError for a full disk or map or a read-only disk, saying what to do; else the error itself. */
export function writeFailure(error: unknown, path: string): unknown {
  const code = (error as { code?: unknown } | null)?.code
  if (code === errno.ENOSPC || code === 'ENOSPC') return diskFull(path, error)
  if (code === errno.EIO && freeBytes(path) < freeBytesMin) return diskFull(path, error) // a write that was cut short
  if (code === errno.EROFS || code === 'EROFS')
    return new FatalError(`the disk of ${path} is read-only: mount it to be written`, { cause: error })
  if (code === mapFull)
    return new FatalError(`the map of ${path} is full: raise KINDRED_MAP_SIZE_GB and start again`, {
      cause: error,
    })
  return error
}

function diskFull(path: string, cause?: unknown): FatalError {
  return new FatalError(
    `the disk of ${path} is full: make room and start again; what was acknowledged is kept`,
    cause === undefined ? {} : { cause },
  )
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** Bytes of an environment's memory map that are in use, and its size. */
export function mapUseOf(env: RootDatabase): { used: number; size: number } {
  const { lastPageNumber, pageSize, mapSize } = env.getStats() as {
    lastPageNumber: number
    pageSize: number
    mapSize: number
  }
  return { used: (lastPageNumber + 1) * pageSize, size: mapSize }
}

/** Gives back what readers that were killed held: pages that they read are not used again before. */
export function dropDeadReaders(env: RootDatabase): void {
  ;(env as RootDatabase & { readerCheck(): number }).readerCheck()
}

/**
 * A record as it was read: its bytes, and the stamp of the page that it stood on, which is the transaction that wrote the page
 * last, as LMDB notes it there (32 bits of its number).
 */
export type SeenRecord = { readonly bytes: Buffer; stamp: number }

/** The record of `key` as it is now; undefined for none. */
export function seenRecord<K extends number | string>(
  db: Database<Buffer, K>,
  key: K,
): SeenRecord | undefined {
  const found = db.getBinaryFast(key)
  return found && { bytes: Buffer.from(found.subarray(0, found.length)), stamp: getLastTxnId() }
}

/** What lmdb makes its validated cache of: it reads no bytes where the page is of this transaction. */
type Conditional<K> = {
  getBinaryFast(key: K, options: { readonly ifNotTxnId: number }): Buffer | { length?: never } | undefined
}
const condition = { ifNotTxnId: 0 }

/**
 * Whether the record of `key` is as it was seen. Where nothing on its page was written since, no byte of it is read; where
 * something was, its bytes tell, and what was seen gets the stamp that the page has now.
 */
export function isAsSeen<K extends number | string>(
  db: Database<Buffer, K>,
  key: K,
  seen: SeenRecord,
): boolean {
  condition.ifNotTxnId = seen.stamp
  const found = (db as Conditional<K>).getBinaryFast(key, condition)
  if (found === undefined) return false
  if (found.length === undefined) return true
  if (found.length !== seen.bytes.length || seen.bytes.compare(found, 0, found.length) !== 0) return false
  seen.stamp = getLastTxnId()
  return true
}

type KeyBuffer = Buffer & { dataView?: DataView }

const numberKeys = {
  writeKey(key: number, target: KeyBuffer, start: number): number {
    target.dataView ??= new DataView(target.buffer, target.byteOffset, target.length)
    const high = key < 2 ** 32 ? 0 : Math.floor(key / 2 ** 32) // most keys are small, and dividing takes longest
    target.dataView.setUint32(start, high)
    target.dataView.setUint32(start + 4, high === 0 ? key : key % 2 ** 32)
    return start + 8
  },
  readKey(target: KeyBuffer, start: number): number {
    target.dataView ??= new DataView(target.buffer, target.byteOffset, target.length)
    return target.dataView.getUint32(start) * 2 ** 32 + target.dataView.getUint32(start + 4)
  },
}

const textKeys = {
  writeKey(key: string, target: Buffer, start: number): number {
    return start + target.write(key, start, 'utf8')
  },
  readKey(target: Buffer, start: number, end: number): string {
    return target.toString('utf8', start, end)
  },
}

/** A table with whole-number keys below 2⁵³ and binary values. */
export function openNumbered(env: RootDatabase, name: string): Database<Buffer, number> {
  return openTable(env, { name, keyEncoder: numberKeys }) as Database<Buffer, number>
}

/** A table with text keys (raw UTF-8) and binary values. */
export function openNamed(env: RootDatabase, name: string): Database<Buffer, string> {
  return openTable(env, { name, keyEncoder: textKeys }) as Database<Buffer, string>
}

/** A table that is not there yet is made, which is a commit. */
function openTable(env: RootDatabase, options: { name: string; keyEncoder: object }): Database {
  return turnsOf.get(env)!.take(() => env.openDB({ ...options, encoding: 'binary' } as never))
}
