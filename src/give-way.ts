// Ingest gives way to lookups: the threads that ingest take a lower priority, where an operator says so.
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'
import { isMainThread } from 'node:worker_threads'

/**
 * Makes the calling thread, and those that it starts from now on, stand back by `nice` (0: not at all, 19: furthest). Where
 * threads have no priority of their own (anywhere but on Linux) a worker thread is left as it is, for it shares its process
 * with lookups.
 */
export function giveWay(nice: number): void {
  if (nice === 0) return
  if (process.platform === 'linux') setPriority(Number(basename(readlinkSync('/proc/thread-self'))), nice)
  else if (isMainThread) setPriority(nice)
}
