// Ingest at full speed beside lookups: `kindred replay` as the writer of a directory, or events appended to the log of a
// directory that a `serve` ingests itself.
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { configFrom } from '../../../src/config.ts'
import { openReader } from '../../../src/profiler.ts'
import { logName } from '../../../src/source/embedded-log.ts'
import { end, feed, kindred } from './processes.ts'

const pollMs = 20
const startMsMax = 30_000

/**
 * Does `work` while the events of `file` are ingested into `dir`, and says how many a second were. Throws when they were
 * over before.
 */
export async function whileIngesting<T>(
  { dir, file, by }: { dir: string; file: string; by: 'replay' | 'log' },
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly eventsPerSecond: number }> {
  const store = openReader({ dir, config: configFrom({}) })
  const applied = () => store.watermark(logName)
  const before = applied()
  const child = by === 'replay' ? kindred(['replay', file, '--data', dir]) : feed(dir, file)
  try {
    await begun(child, () => applied() > before)
    const from = { applied: applied(), at: performance.now() }
    const result = await work()
    const seconds = (performance.now() - from.at) / 1000
    if (child.exitCode !== null) throw new Error('the events were over before the measurement: give it more')
    return { result, eventsPerSecond: (applied() - from.applied) / seconds }
  } finally {
    await end(child)
    await store.close()
  }
}

async function begun(child: ChildProcess, applies: () => boolean): Promise<void> {
  for (const latest = performance.now() + startMsMax; !applies(); await sleep(pollMs))
    if (child.exitCode !== null || performance.now() > latest) throw new Error('ingest did not begin')
}
