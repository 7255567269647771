// Opening an LMDB environment and committing to it take turns, over all processes.
//
// The LMDB that lmdb 3.5 is built on loses commits otherwise (its ITS#9496, mended upstream in 0.9.29): a process that opens
// an environment, be it only to read, notes the number of the last transaction that it has read from the file, and a
// transaction that another process commits between the two is overwritten by the next one.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { tryLock, unlock } from 'fs-native-extensions'
import { FatalError } from '../errors.ts'

const fileName = 'turns.lock'
/** How often a turn is asked for, and how long at the most: an opening or a commit takes milliseconds. */
const pollMs = 1
const turnMsMax = 60_000

export class Turns {
  readonly #file: string
  readonly #fd: number | undefined
  #depth = 0

  /**
   * For the environment in the directory `path`. `readOnly`: where nothing can be written there are no turns, for then LMDB
   * does without its own lock file, too.
   */
  constructor(path: string, readOnly: boolean) {
    this.#file = join(path, fileName)
    try {
      this.#fd = openSync(this.#file, 'a')
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (!readOnly || (code !== 'EROFS' && code !== 'EACCES')) throw error
    }
  }

  /**
   * Does `work` while nobody else opens the environment or commits to it; it may take a turn within its own. Throws
   * FatalError when another keeps its turn for too long.
   */
  take<T>(work: () => T): T {
    if (this.#fd === undefined) return work()
    if (this.#depth === 0) this.#wait(this.#fd)
    this.#depth++
    try {
      return work()
    } finally {
      if (--this.#depth === 0) unlock(this.#fd)
    }
  }

  /** Throws FatalError when another process keeps its turn: it stands still. */
  #wait(fd: number): void {
    const clock = new Int32Array(new SharedArrayBuffer(4))
    for (const end = performance.now() + turnMsMax; !tryLock(fd); ) {
      if (performance.now() > end)
        throw new FatalError(
          `${this.#file} has been locked for ${turnMsMax / 1000} s: a process that stands still has the data directory open; let it go on, or end it`,
        )
      Atomics.wait(clock, 0, 0, pollMs)
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }
}
