// LMDB tells readers apart by process id, so two processes of one id, in containers with process ids of their own, would take
// each other's place: one then reads what is long past. A kernel lock on the id's byte of a file finds that before.
import { closeSync, openSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { tryLock } from 'fs-native-extensions'
import { FatalError } from '../errors.ts'

const fileName = 'process-ids.lock'
type Claim = { readonly fd: number; openings: number }
const claims = new Map<string, Claim>()

/**
 * Claims this process's id in the environment in the directory `path`, until `release` was called as often: its threads
 * share the id, and it is claimed by the main one. Throws FatalError when another living process has it. `readOnly`: where
 * nothing can be written LMDB keeps no readers, either.
 */
export function claimProcessId(path: string, readOnly: boolean): { release(): void } {
  const none = { release() {} }
  if (process.platform !== 'linux' || !isMainThread) return none // elsewhere a process has one id
  const file = join(realpathSync(path), fileName)
  const claim = claims.get(file) ?? newClaim(file, readOnly)
  if (claim === undefined) return none
  claims.set(file, claim)
  claim.openings++
  return {
    release() {
      if (--claim.openings > 0) return
      claims.delete(file)
      closeSync(claim.fd)
    },
  }
}

function newClaim(file: string, readOnly: boolean): Claim | undefined {
  let fd: number
  try {
    fd = openSync(file, 'a')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (readOnly && (code === 'EROFS' || code === 'EACCES')) return undefined
    throw error
  }
  if (tryLock(fd, process.pid, 1)) return { fd, openings: 0 }
  closeSync(fd)
  throw new FatalError(
    `another process with id ${process.pid} has ${file} locked, in a container with process ids of its own: let all that use the directory share theirs (docker run --pid container:NAME, in compose pid: service:NAME)`,
  )
}
