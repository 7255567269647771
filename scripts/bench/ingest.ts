// Ingest: events a second through the whole pipeline (file → log → state, change events and all, durable), over a
// floor of what any durable store must do for an event. Both run in turns, because machines are noisy; medians count.
import { join } from 'node:path'
import { open } from 'lmdb'
import { importOf } from '../../src/codec/prototypes.ts'
import { configFrom } from '../../src/config.ts'
import { openProfiler, type Profiler } from '../../src/profiler.ts'
import { decodeBlock, type EncodedBlock } from '../../src/source/log-block.ts'
import type { StoreReader } from '../../src/store/port.ts'
import {
  anonymousMb,
  type BenchOptions,
  type BenchResult,
  eventSequence,
  hashOfLines,
  inTemporary,
  median,
  type Sequence,
} from './shared.ts'

const rounds = 3
/** Records that are appended to the log in one transaction, and records the log may be ahead. */
const appendRecords = 8192
const aheadRecordsMax = 8192
const floorRowBytes = 200

export async function ingestBench({ tiny, report }: BenchOptions): Promise<BenchResult> {
  const sequence = eventSequence({ tiny })
  const { batchSize } = configFrom({})
  const floors: number[] = []
  const runs: Awaited<ReturnType<typeof runPipeline>>[] = []
  for (let round = 0; round < (tiny ? 1 : rounds); round++) {
    floors.push(await inTemporary((dir) => runFloor(sequence, { dir, batchSize })))
    runs.push(await inTemporary((dir) => runPipeline(sequence, dir)))
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
 * Events a second of the floor: the line parsed, one get and one put of a small row by its event id, a transaction a
 * batch, each on disk before the next but one. Reading the file is not counted, which makes the floor faster.
 */
async function runFloor(
  sequence: Sequence,
  { dir, batchSize }: { dir: string; batchSize: number },
): Promise<number> {
  const env = open({ path: join(dir, 'floor'), maxDbs: 1, mapSize: 2 ** 32, noSubdir: false })
  const rows = env.openDB<Buffer, Buffer>({ name: 'rows', encoding: 'binary', keyEncoding: 'binary' })
  const row = Buffer.alloc(floorRowBytes, 1)
  let flush: Promise<unknown> = Promise.resolve()
  let events = 0
  let milliseconds = 0
  const apply = async (lines: readonly string[]) => {
    const started = performance.now()
    env.transactionSync(() => {
      for (const line of lines) {
        const { event_id } = JSON.parse(line) as { event_id: string }
        const key = Buffer.from(event_id)
        rows.getBinaryFast(key)
        rows.put(key, row)
      }
    })
    await flush
    flush = env.flushed
    events += lines.length
    milliseconds += performance.now() - started
  }
  const lines: string[] = []
  for await (const { blocks } of sequence.chunks())
    for (const { bytes } of blocks)
      for (const { text } of decodeBlock(Buffer.from(bytes.buffer as ArrayBuffer), {
        first: 0,
        logName: '',
      })) {
        lines.push(text)
        if (lines.length === batchSize) await apply(lines.splice(0))
      }
  await apply(lines)
  const started = performance.now()
  await env.flushed
  milliseconds += performance.now() - started
  await env.close()
  return events / (milliseconds / 1000)
}

/** The pipeline as `replay` runs it, from the file's first byte to the last commit on disk. */
async function runPipeline(sequence: Sequence, dir: string) {
  await using profiler = openProfiler({ dir, config: configFrom({}), role: 'bench', commitInThread: true })
  const { store, log, consumer } = profiler
  log.appendControl({ kind: 'import', set: importOf(sequence.labels) })
  await consumer.drain()
  const before = { ...store.counters() }
  let peakMb = anonymousMb()
  const started = performance.now()
  for await (const blocks of appendsOf(sequence)) {
    log.appendEncoded(blocks)
    while (log.end - consumer.watermark >= aheadRecordsMax) await consumer.step()
    peakMb = Math.max(peakMb, anonymousMb())
  }
  await consumer.drain()
  await consumer.checkpoint()
  const seconds = (performance.now() - started) / 1000
  const { position, changes, rewalks } = store.counters()
  const events = position - before.position
  return {
    events,
    eventsPerSecond: events / seconds,
    rewalks: rewalks - before.rewalks,
    changes,
    peakMb,
    hash: resultHash(profiler),
  }
}

/** Blocks for one append each: fewer commits of the log than chunks of the file. */
async function* appendsOf(sequence: Sequence): AsyncGenerator<EncodedBlock[]> {
  let waiting: EncodedBlock[] = []
  let records = 0
  for await (const { blocks } of sequence.chunks()) {
    waiting.push(...blocks)
    records += blocks.reduce((sum, block) => sum + block.count, 0)
    if (records < appendRecords) continue
    yield waiting
    waiting = []
    records = 0
  }
  if (waiting.length > 0) yield waiting
}

/** Every user's final state and every change event, as one hash. */
function resultHash({ store }: Profiler): string {
  return hashOfLines([...usersOf(store), ...changesOf(store)])
}

function* usersOf(store: StoreReader): Generator<string> {
  for (const user of store.users()) {
    const { position: _, scores, ...row } = store.user(user)! // the position of writing is no state of the user
    yield JSON.stringify({ ...row, scores: [...scores] })
  }
}

function* changesOf(store: StoreReader): Generator<string> {
  for (let from = 0; ; ) {
    const rows = store.changes(from, 4096)
    if (rows.length === 0) return
    for (const { json } of rows) yield json
    from = rows[rows.length - 1]!.number + 1
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
