// Commits in a thread: a long run comes to use it, and leaves what a run without it leaves.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { openProfiler, openReader, type Profiler } from '../../src/profiler.ts'
import { withDirectory } from '../support/command.ts'
import { assertSameExports, assertSound, exportsIn } from '../support/exports.ts'
import { shopLines } from '../support/shop-files.ts'
import { until } from '../support/wait.ts'

const config = configFrom({ KINDRED_BATCH_SIZE: '16' })

describe('a run that commits in a thread', () => {
  it('leaves what one that does not leaves', () =>
    withDirectory(async (dir) => {
      const { events } = await shopLines(3000)
      for (const commitInThread of [true, false]) {
        await using profiler = openProfiler({
          dir: join(dir, String(commitInThread)),
          config,
          role: 'test',
          commitInThread,
        })
        await start(profiler, events.slice(0, 1000), commitInThread)
        append(profiler.log, events.slice(1000))
        await profiler.consumer.drain()
        await profiler.consumer.checkpoint()
      }
      await assertSound(join(dir, 'true'))
      assertSameExports(await exportsIn(join(dir, 'true')), await exportsIn(join(dir, 'false')))
    }))

  it('shows nobody else what is not committed, and itself everything', () =>
    withDirectory(async (dir) => {
      const { events } = await shopLines(2000)
      await using profiler = openProfiler({ dir, config, role: 'test', commitInThread: true })
      const { store, log, consumer } = profiler
      await start(profiler, events.slice(0, 1000), true)
      append(log, events.slice(1000))
      const reader = openReader({ dir, config })
      let behind = 0
      while (await consumer.step()) {
        const own = store.watermark(log.name)
        const seen = reader.watermark(log.name)
        assert.ok(seen <= own, `${seen} of ${own}`)
        if (seen < own) behind++
      }
      await until('a reader sees all of it', () => reader.watermark(log.name) === log.end)
      await reader.close()
      assert.ok(behind > 0, 'some commits were on their way')
    }))
})

/** Applies the first events, and waits for the thread that they start. */
async function start(
  { store, log, consumer }: Profiler,
  events: readonly string[],
  inThread: boolean,
): Promise<void> {
  append(log, events)
  await consumer.drain()
  if (inThread) await until('commits are made in a thread', () => store.commitsInThread())
}

function append(
  log: { append(blocks: readonly { format: { kind: 'json' }; records: Buffer[] }[]): unknown },
  lines: readonly string[],
): void {
  for (let from = 0; from < lines.length; from += 256)
    log.append([
      {
        format: { kind: 'json' },
        records: lines.slice(from, from + 256).map((line) => Buffer.from(line)),
      },
    ])
}
