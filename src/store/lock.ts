// One locked writer: a kernel lock on a file of the data directory, which ends with the process that holds it.
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock } from 'fs-native-extensions'
import { FatalError, LockedError, messageOf } from '../errors.ts'

export type WriterLock = { release(): void }

const fileName = 'writer.lock'

/** Takes the directory's writer lock; undefined when another process has it. Throws FatalError for an unusable directory. */
export function tryWriterLock(dir: string, role: string): WriterLock | undefined {
  let fd: number
  try {
    mkdirSync(dir, { recursive: true })
    fd = openSync(join(dir, fileName), 'a+')
  } catch (error) {
    throw new FatalError(`cannot write to ${dir}: ${messageOf(error)}; name another directory with --data`)
  }
  if (!tryLock(fd)) {
    closeSync(fd)
    return undefined
  }
  try {
    ftruncateSync(fd, 0)
    writeSync(fd, `${JSON.stringify({ pid: process.pid, role })}\n`)
  } catch (error) {
    closeSync(fd)
    throw new FatalError(`cannot write to ${dir}: ${messageOf(error)}`)
  }
  return { release: () => closeSync(fd) }
}

/** Takes the lock or throws LockedError naming its holder. */
export function takeWriterLock(dir: string, role: string): WriterLock {
  const lock = tryWriterLock(dir, role)
  if (lock === undefined)
    throw new LockedError(
      `${dir} is being written by ${holderOf(dir)}: stop it first, or name another directory`,
    )
  return lock
}

/** Who holds the lock, for messages. */
export function holderOf(dir: string): string {
  try {
    const { pid, role } = JSON.parse(readFileSync(join(dir, fileName), 'utf8')) as {
      pid: number
      role: string
    }
    return `\`kindred ${role}\` (process ${pid})`
  } catch {
    return 'another process'
  }
}
