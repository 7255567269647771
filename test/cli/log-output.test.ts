// The log's way out, into a real pipe: whoever reads it slowly misses lines and is told how many; nobody waits for them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs, { closeSync, constants, existsSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, mock } from 'node:test'
import { openLogOutput } from '../../src/cli/log-output.ts'
import { withDirectory } from '../support/command.ts'
import { until } from '../support/wait.ts'

const lines = 20_000
const padding = 'x'.repeat(1024)

/** Never on CI. */
const skipFullDisk =
  process.env.CI || existsSync('/dev/full') ? false : 'there is no /dev/full here: run it on Linux'

describe('the output of a log', () => {
  it('keeps what a slow reader can still have, in order, and says how many lines are missing', () =>
    withPipe(async ({ fd, read }) => {
      let missed = 0
      const output = openLogOutput(fd, (count) => (missed += count))
      for (let i = 0; i < lines; i++) output.write(`${i} ${padding}\n`)
      await until('the lines that are missing are told', () => {
        read()
        return missed > 0
      })
      await output.end()
      const numbers = read()
        .trimEnd()
        .split('\n')
        .map((line) => Number(line.split(' ', 1)))
      assert.deepEqual(numbers, [...Array(lines - missed).keys()])
    }))

  it('ends when whoever read has gone, and has nowhere to write from then on', () =>
    withPipe(async ({ fd, leave }) => {
      const output = openLogOutput(fd, () => undefined)
      leave()
      const refused = firstRefusedWrite()
      output.write('one\n')
      assert.equal(await refused, 'EPIPE')
      const writes = mock.method(fs, 'write')
      try {
        output.write('another\n')
        await output.end()
        output.write('after the end\n')
        assert.equal(writes.mock.callCount(), 0)
      } finally {
        writes.mock.restore()
      }
    }))

  it('goes on once a disk that was full has room, with what waited', { skip: skipFullDisk }, () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'log')
      const fd = openSync('/dev/full', 'w')
      const refused = firstRefusedWrite()
      const output = openLogOutput(fd, () => undefined)
      output.write('one\n')
      assert.equal(await refused, 'ENOSPC')
      closeSync(fd)
      assert.equal(openSync(path, 'w'), fd, 'the same descriptor, now of a file that takes lines')
      output.write('another\n')
      await output.end()
      assert.equal(readFileSync(path, 'utf8'), 'one\nanother\n')
    }),
  )

  it('ends while nobody reads', () =>
    withPipe(async ({ fd, read }) => {
      const output = openLogOutput(fd, () => undefined)
      for (let i = 0; i < 1024; i++) output.write(`${i} ${padding}\n`)
      await output.end()
      output.write('after the end')
      await until('what waits is read', () => read().includes(`\n1023 `))
    }))
})

/** The code of the first write from now on that fails, once its caller was told. */
function firstRefusedWrite(): Promise<string | undefined> {
  const { write } = fs
  return new Promise((resolve) => {
    const watched = mock.method(fs, 'write', (...given: unknown[]) => {
      const told = given.pop() as (error: NodeJS.ErrnoException | null, ...more: unknown[]) => void
      Reflect.apply(write, fs, [
        ...given,
        (error: NodeJS.ErrnoException | null, ...more: unknown[]) => {
          told(error, ...more)
          if (error === null) return
          watched.mock.restore()
          resolve(error.code)
        },
      ])
    })
  })
}

/** A pipe: `fd` to write to, and all that came out of it. */
async function withPipe(
  work: (pipe: { fd: number; read(): string; leave(): void }) => Promise<void>,
): Promise<void> {
  await withDirectory(async (dir) => {
    const path = join(dir, 'pipe')
    execFileSync('mkfifo', [path])
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const fd = openSync(path, 'w')
    const bytes = Buffer.allocUnsafe(1 << 16)
    let all = ''
    const read = () => {
      for (;;) {
        try {
          const length = readSync(reader, bytes)
          if (length === 0) break
          all += bytes.toString('latin1', 0, length)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EAGAIN') break
          throw error
        }
      }
      return all
    }
    let open = true
    const leave = () => {
      if (open) closeSync(reader)
      open = false
    }
    try {
      await work({ fd, read, leave })
    } finally {
      leave()
    }
  })
}
