// A small disk of its own for a test: a tmpfs that can be full, grow, and become read-only. Needs CAP_SYS_ADMIN.
import { spawnSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, removeDirectory } from './command.ts'

export type Disk = {
  readonly path: string
  /** Changes its size (`size=8m`) or mode (`ro`, `rw`). */
  remount(options: string): void
  /** Fills it up to `leaveBytes`. */
  fill(leaveBytes: number): void
  /** Takes away what `fill` put there. */
  makeRoom(): void
}

/** Why no disk can be mounted here; undefined when one can. */
export function mountProblem(): string | undefined {
  if (process.platform !== 'linux') return `no tmpfs on ${process.platform}`
  const dir = makeDirectory()
  try {
    const problem = mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir)
    if (problem === undefined) unmount(dir)
    return problem
  } finally {
    removeDirectory(dir)
  }
}

/** Runs `work` with a disk of `size`, such as 8m. */
export async function withDisk<T>(size: string, work: (disk: Disk) => Promise<T>): Promise<T> {
  const path = makeDirectory()
  insist(mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path))
  const filler = join(path, 'filler')
  try {
    return await work({
      path,
      remount: (options) => insist(mount('-o', `remount,${options}`, path)),
      fill(leaveBytes) {
        const { bavail, bsize } = statfsSync(path)
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - leaveBytes)))
      },
      makeRoom: () => rmSync(filler),
    })
  } finally {
    unmount(path)
    removeDirectory(path)
  }
}

function mount(...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' })
  return status === 0 ? undefined : (error?.message ?? stderr.trim())
}

/** Lazily: a process that still runs does not keep the test from ending. */
function unmount(path: string): void {
  spawnSync('umount', ['-l', path])
}

function insist(problem: string | undefined): void {
  if (problem !== undefined) throw new Error(problem)
}
