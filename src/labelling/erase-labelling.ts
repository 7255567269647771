// Erasure in `<data dir>/labelling`: what a labeller was told and said of a user is personal data.
import { existsSync } from 'node:fs'
import { AppendFile } from './append-file.ts'
import type { CachedAnswer } from './cache.ts'
import { batchFile, cacheFile, ledgerFile } from './files.ts'
import type { LedgerEntry } from './ledger.ts'
import { readPendingBatch, writePendingBatch } from './pending-batch.ts'

/**
 * Removes the answers about these users (also those that several baskets went into), their lines of the ledger (of a
 * call about several users the others' stay), and their part in a batch under way, whose answer is then dropped.
 * Gives how many entries were changed. Each file is replaced at once; doing it again does no harm.
 *
 * These files belong to whoever holds the lock of this directory: `prototypes label` and `personas propose` while they
 * run, and `erase`, never a running `serve`. So beside a running `serve` the command that erases does this itself,
 * before it hands its record on; beside a running `prototypes label` it says so and erases nothing.
 */
export function eraseFromLabelling(dir: string, isErased: (userId: string) => boolean): number {
  const answers = edit<CachedAnswer>(cacheFile(dir), (entry) =>
    entry.users.some(isErased) ? undefined : entry,
  )
  const calls = edit<LedgerEntry>(ledgerFile(dir), (entry) => withoutUsers(entry, isErased))
  return answers + calls + eraseFromBatch(dir, isErased)
}

function edit<T extends object>(path: string, change: (entry: T) => T | undefined): number {
  if (!existsSync(path)) return 0
  const { file, entries } = AppendFile.open<T>(path)
  try {
    const changed = entries.map(change)
    const edits = changed.filter((entry, i) => entry !== entries[i]).length
    if (edits > 0) file.rewrite(changed.filter((entry) => entry !== undefined))
    return edits
  } finally {
    file.close()
  }
}

function withoutUsers(entry: LedgerEntry, isErased: (userId: string) => boolean): LedgerEntry | undefined {
  if (!entry.users.some(isErased)) return entry
  const users = entry.users.filter((user) => !isErased(user))
  return users.length === 0 ? undefined : { ...entry, users }
}

function eraseFromBatch(dir: string, isErased: (userId: string) => boolean): number {
  if (!existsSync(batchFile(dir))) return 0
  const batch = readPendingBatch(dir)!
  let edits = 0
  const lines = batch.lines.map((line) => {
    const users = line.users.filter((user) => !isErased(user))
    if (users.length === line.users.length) return line
    edits++
    return { ...line, users, call: { ...line.call, users } }
  })
  if (edits > 0) writePendingBatch(dir, { ...batch, lines })
  return edits
}
