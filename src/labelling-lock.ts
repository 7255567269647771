// The lock of what labelling keeps beside the state: one process at a time pays, keeps answers and erases them.
import { LockedError } from './errors.ts'
import { labellingDir } from './labelling/files.ts'
import { holderOf, tryWriterLock, type WriterLock } from './store/lock.ts'

/** Throws LockedError, which says who has it. */
export function lockLabelling(dataDir: string, role: string): WriterLock {
  const dir = labellingDir(dataDir)
  const lock = tryWriterLock(dir, role)
  if (lock === undefined)
    throw new LockedError(
      `${dir} is in use by ${holderOf(dir)}: wait for it, or stop it (nothing paid is lost)`,
    )
  return lock
}
