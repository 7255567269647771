// The batch under way, kept on disk from before it is made until its answers are kept: a killed run picks it up.
import { existsSync, readFileSync } from 'node:fs'
import { FatalError } from '../errors.ts'
import { removeFile, replaceFile } from './append-file.ts'
import { batchFile } from './files.ts'
import type { Call } from './ledger.ts'

export type PendingLine = {
  /** Key of the cache, and the line's `custom_id`. */
  readonly key: string
  /** Nobody's, once they were erased: then its answer is dropped. */
  readonly users: readonly string[]
  readonly call: Call
  readonly tokensInMost: number
}

export type PendingBatch = {
  /** Sent as the batch's metadata: by it a batch is found whose id was lost with the process that made it. */
  readonly mark: string
  /** When it was begun, ms since 1970. */
  readonly startedAt: number
  readonly batchId: string | undefined
  readonly baseUrl: string
  readonly lines: readonly PendingLine[]
}

export function readPendingBatch(dir: string): PendingBatch | undefined {
  const path = batchFile(dir)
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PendingBatch
  } catch (cause) {
    throw new FatalError(`${path} cannot be read; it says which batch is under way: mend it`, { cause })
  }
}

/** On disk when this returns. */
export function writePendingBatch(dir: string, batch: PendingBatch): void {
  replaceFile(batchFile(dir), JSON.stringify(batch))
}

export function dropPendingBatch(dir: string): void {
  removeFile(batchFile(dir))
}
