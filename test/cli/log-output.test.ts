// The log's way out, into a real pipe: whoever reads it slowly misses lines and is told how many; nobody waits for them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { openLogOutput } from '../../src/cli/log-output.ts'
import { withDirectory } from '../support/command.ts'
import { until } from '../support/wait.ts'

const lines = 20_000
const padding = 'x'.repeat(1024)

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
      output.write('one\n')
      output.write('another, while the first is under way\n')
      await output.end()
      output.write('after the end\n')
    }))

  it('is kept from nothing by a disk that is full', {
    skip: existsSync('/dev/full') ? false : 'there is no /dev/full here',
  }, async () => {
    const output = openLogOutput(openSync('/dev/full', 'w'), () => undefined)
    output.write('one\n')
    await setImmediate()
    output.write('another\n')
    await output.end()
  })

  it('ends while nobody reads', () =>
    withPipe(async ({ fd, read }) => {
      const output = openLogOutput(fd, () => undefined)
      for (let i = 0; i < 1024; i++) output.write(`${i} ${padding}\n`)
      await output.end()
      output.write('after the end')
      await until('what waits is read', () => read().includes(`\n1023 `))
    }))
})

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
