// Ingest: events a second through the whole pipeline (file → log → state, change events and all, durable), over a
// floor of what any durable store must do for an event. Both run in turns, because machines are noisy; medians count.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open } from 'lmdb'
import { configFrom } from '../../src/config.ts'
import { decodeBlock } from '../../src/source/log-block.ts'
import type { PipelineRun } from './ingest-run.ts'
import {
  type BenchOptions,
  type BenchResult,
  eventSequence,
  inTemporary,
  median,
  type Sequence,
} from './shared.ts'

const rounds = 3
const floorRowBytes = 200

export async function ingestBench({ tiny, report }: BenchOptions): Promise<BenchResult> {
  const sequence = eventSequence({ tiny })
  const { batchSize } = configFrom({})
  const floors: number[] = []
  const runs: PipelineRun[] = []
  for (let round = 0; round < (tiny ? 1 : rounds); round++) {
    floors.push(await inTemporary((dir) => runFloor(sequence, { dir, batchSize })))
    runs.push(await runApart(tiny))
    report(`floor ${Math.round(floors[round]!)}/s, pipeline ${Math.round(runs[round]!.eventsPerSecond)}/s`)
  }
  const hashes = new Set(runs.map(({ hash }) => hash))
  if (hashes.size !== 1) throw new Error(`the same events gave different results: ${[...hashes].join(', ')}`)
  const { events, changes, rewalks, hash } = runs[0]!
  return {
    sequence: sequence.name,
    events,
    events_per_second: Math.round(median(runs.map(({ eventsPerSecond }) => eventsPerSecond))),
    floor_events_per_second: Math.round(median(floors)),
    ratio_to_floor: rounded(median(runs.map(({ eventsPerSecond }, i) => eventsPerSecond / floors[i]!))),
    rewalks_per_event: rounded(rewalks / events),
    changes,
    peak_memory_mb: Math.round(Math.max(...runs.map(({ peakMb }) => peakMb))),
    batch_size: batchSize,
    result_hash: hash,
  }
}

/**
 * Events a second of the floor: the line's bytes parsed, one get and one put of a small row by its event id, a transaction
 * a batch, each on disk before the next. Reading and splitting the file is not counted, which makes the floor faster.
 */
async function runFloor(
  sequence: Sequence,
  { dir, batchSize }: { dir: string; batchSize: number },
): Promise<number> {
  const env = open({ path: join(dir, 'floor'), maxDbs: 1, mapSize: 2 ** 32, noSubdir: false })
  const rows = env.openDB<Buffer, Buffer>({ name: 'rows', encoding: 'binary', keyEncoding: 'binary' })
  const row = Buffer.alloc(floorRowBytes, 1)
  let events = 0
  let milliseconds = 0
  const apply = async (lines: readonly Buffer[]) => {
    const started = performance.now()
    env.transactionSync(() => {
      for (const line of lines) {
        const { event_id } = JSON.parse(line.toString('utf8')) as { event_id: string }
        const key = Buffer.from(event_id)
        rows.getBinaryFast(key)
        rows.put(key, row)
      }
    })
    events += lines.length
    milliseconds += performance.now() - started
  }
  const waiting: Buffer[] = []
  for await (const { blocks } of sequence.chunks())
    for (const { bytes } of blocks)
      for (const record of decodeBlock(Buffer.from(bytes.buffer as ArrayBuffer), { first: 0, logName: '' })) {
        waiting.push(Buffer.from(record.bytes()))
        if (waiting.length === batchSize) await apply(waiting.splice(0))
      }
  await apply(waiting)
  const started = performance.now()
  await env.flushed
  milliseconds += performance.now() - started
  await env.close()
  return events / (milliseconds / 1000)
}

/** One run in a process of its own: its memory is its alone, and nothing is warm. */
async function runApart(tiny: boolean): Promise<PipelineRun> {
  const child = fork(fileURLToPath(new URL('./ingest-run.js', import.meta.url)), tiny ? ['--tiny'] : [])
  let run: PipelineRun | undefined
  child.once('message', (message) => {
    run = message as PipelineRun
  })
  const [code] = await once(child, 'exit')
  if (code !== 0 || run === undefined) throw new Error(`the run ended with code ${code}`)
  return run
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
