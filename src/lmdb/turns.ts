// Opening an LMDB environment and committing to it take turns, over all processes.
//
// The LMDB that lmdb 3.5 is built on loses commits otherwise (its ITS#9496, mended upstream in 0.9.29): a process that opens
// an environment, be it only to read, notes the number of the last transaction that it has read from the file, and a
// transaction that another process commits between the two is overwritten by the next one.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { unlock, waitForLockSync } from 'fs-native-extensions'

const fileName = 'turns.lock'

export class Turns {
  readonly #fd: number | undefined
  #depth = 0

  /**
   * For the environment in the directory `path`. `readOnly`: where nothing can be written there are no turns, for then LMDB
   * does without its own lock file, too.
   */
  constructor(path: string, readOnly: boolean) {
    try {
      this.#fd = openSync(join(path, fileName), 'a')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (!readOnly || (code !== 'EROFS' && code !== 'EACCES')) throw error
    }
  }

  /** Does `work` while nobody else opens the environment or commits to it; it may take a turn within its own. */
  take<T>(work: () => T): T {
    if (this.#fd !== undefined && this.#depth++ === 0) waitForLockSync(this.#fd)
    try {
      return work()
    } finally {
      if (this.#fd !== undefined && --this.#depth === 0) unlock(this.#fd)
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }
}
