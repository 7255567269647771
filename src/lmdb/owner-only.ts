// Directories that hold secrets: closed to everybody but their owner.
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const others = 0o077

/** Takes a directory and the files in it from all but their owner; what belongs to somebody else is left to them. */
export function closeToOthers(path: string): void {
  close(path)
  for (const name of readdirSync(path)) close(join(path, name))
}

function close(path: string): void {
  const { mode } = statSync(path)
  if ((mode & others) === 0) return
  try {
    chmodSync(path, mode & ~others & 0o777)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  }
}
