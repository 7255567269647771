// One run of the ingest benchmark's pipeline, in a process of its own; what it measured goes to the parent.
import { join } from 'node:path'
import { importOf } from '../../src/codec/prototypes.ts'
import { configFrom } from '../../src/config.ts'
import { openProfiler } from '../../src/profiler.ts'
import { openChangeFile } from '../../src/sink/change-file.ts'
import type { EncodedBlock } from '../../src/source/log-block.ts'
import { resultHash } from './result-hash.ts'
import { anonymousMb, eventSequence, inTemporary, type Sequence } from './shared.ts'

/** Records that are appended to the log in one transaction, and records the log may be ahead: as `replay` does. */
const appendRecords = 8192
const aheadRecordsMax = 8192

export type PipelineRun = {
  readonly events: number
  readonly eventsPerSecond: number
  readonly rewalks: number
  readonly changes: number
  readonly peakMb: number
  readonly hash: string
}

/** The pipeline as `replay` runs it, from the file's first byte to the last commit on disk; with `--emit` as `replay --changes`. */
async function runPipeline(sequence: Sequence, dir: string): Promise<PipelineRun> {
  const emits = process.argv.includes('--emit')
  await using profiler = openProfiler({
    dir,
    config: configFrom({}),
    role: 'bench',
    commitInThread: true,
    sinks: (store) => (emits ? [openChangeFile(join(dir, 'changes.ndjson'), store)] : []),
  })
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
    hash: resultHash(store),
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

const sequence = eventSequence({ tiny: process.argv.includes('--tiny') })
process.send!(await inTemporary((dir) => runPipeline(sequence, dir)))
