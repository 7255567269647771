// replay FILE…: files (or stdin) through the real pipeline, as fast as it goes; resumable, and idle when finished before.
import { readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { Command } from 'commander'
import { importOf, parseLabels, parsePersonaSet } from '../codec/prototypes.ts'
import type { Config } from '../config.ts'
import type { PrototypeImport } from '../core/event.ts'
import { LockedError, messageOf, UsageError } from '../errors.ts'
import { openProfiler, type Profiler } from '../profiler.ts'
import { openChangeFile } from '../sink/change-file.ts'
import { type FileChunk, fileChunks, fileSourceName } from '../source/file-lines.ts'
import type { Counters } from '../store/port.ts'
import { configOf, type DataOptions, withData } from './context.ts'
import { bar, grouped, Progress, print, printJson, table } from './output.ts'

/** Records read ahead of the batch being applied, in batches. */
const aheadBatches = 2
const chunksPerAppend = 4

type ReplayOptions = DataOptions & {
  prototypes?: string
  personas?: string
  changes?: string
  batchSize?: string
}

export function addReplay(program: Command): void {
  withData(program.command('replay'))
    .description(
      'run files of events (NDJSON or CSV, .gz too; - for stdin) through the pipeline; an interrupted replay resumes',
    )
    .argument('<file...>', 'files of events, in order')
    .option('--prototypes <file>', 'NDJSON {user_id, personas}: the labelled users, imported first')
    .option('--personas <file>', 'JSON persona set {version, personas: [{name, description}]}')
    .option('--changes <file>', 'append change events to this file as NDJSON')
    .option('--batch-size <n>', 'records of one transaction at the most')
    .action(async (files: string[], options: ReplayOptions) => {
      const summary = await replay(files, options)
      if (options.json) printJson(summary)
      else
        print(
          `${table(Object.entries(summary).map(([name, value]) => [name, name === 'seconds' ? String(value) : grouped(value)]))}\n`,
        )
    })
}

export type ReplaySummary = {
  events: number
  applied: number
  duplicates: number
  blocked: number
  quarantined: number
  users: number
  products: number
  edges: number
  rewalks: number
  changes: number
  seconds: number
  events_per_second: number
}

type Totals = { events: number; applied: number; duplicates: number; blocked: number; quarantined: number }

/** Replays `files` in order; returns what this run did, and what the store holds after. */
export async function replay(files: readonly string[], options: ReplayOptions): Promise<ReplaySummary> {
  const config = configOf(options.batchSize === undefined ? {} : { batchSize: options.batchSize as never })
  const set = options.prototypes === undefined ? undefined : readImport(options.prototypes, options.personas)
  if (set === undefined && options.personas !== undefined)
    throw new UsageError('--personas names the set of --prototypes: give both')
  const totals: Totals = { events: 0, applied: 0, duplicates: 0, blocked: 0, quarantined: 0 }
  await using profiler = openOwn({ options, config, totals })
  await profiler.consumer.drain() // what an earlier run left in the log
  const before = { ...profiler.store.counters() }
  const started = performance.now()
  try {
    for (const [i, file] of files.entries())
      await replayFile(file, { profiler, config, set: i === 0 ? set : undefined, totals })
  } finally {
    await profiler.consumer.drain()
    await profiler.consumer.checkpoint()
  }
  return summaryOf(totals, {
    before,
    after: profiler.store.counters(),
    seconds: (performance.now() - started) / 1000,
  })
}

function openOwn({
  options,
  config,
  totals,
}: {
  options: ReplayOptions
  config: Config
  totals: Totals
}): Profiler {
  try {
    return openProfiler({
      dir: options.data,
      config,
      role: 'replay',
      sinks: (store) => (options.changes === undefined ? [] : [openChangeFile(options.changes, store)]),
      onBatch: (counts) => {
        totals.events += counts.records - counts.controls
        totals.applied += counts.applied
        totals.duplicates += counts.duplicates
        totals.blocked += counts.blocked
        totals.quarantined += counts.quarantined
      },
    })
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    throw new LockedError(`${error.message}; a running \`serve\` takes events at POST /v1/events`)
  }
}

/** One file into the log from where it stopped, batches applied as they fill. */
async function replayFile(
  file: string,
  {
    profiler,
    config,
    set,
    totals,
  }: { profiler: Profiler; config: Config; set: PrototypeImport | undefined; totals: Totals },
): Promise<void> {
  const { log } = profiler
  const isStdin = file === '-'
  const source = isStdin ? undefined : await fileSourceName(file)
  const state = source === undefined ? { next: 0, finished: false } : log.producer(source)
  const chunks = fileChunks(isStdin ? 'stdin' : file, {
    ...(source === undefined ? { input: process.stdin } : { source }),
    fromLine: state.next,
  })
  if (state.finished) {
    if (set !== undefined) await importFirst(profiler, set, undefined)
    return
  }
  const size = isStdin ? 0 : statSync(file).size
  const progress = new Progress()
  const started = performance.now()
  let waiting: FileChunk[] = []
  let line = state.next
  let first = true
  const append = (finished: boolean) => {
    const blocks = waiting.flatMap(({ blocks }) => blocks)
    line = waiting.at(-1)?.nextLine ?? line
    waiting = []
    log.append(blocks, source === undefined ? undefined : { name: source, next: line, finished })
  }
  for await (const chunk of chunks) {
    if (first && set !== undefined) await importFirst(profiler, set, firstTs(chunk))
    first = false
    waiting.push(chunk)
    if (waiting.length < chunksPerAppend) continue
    append(false)
    while (log.end - profiler.consumer.watermark >= aheadBatches * config.batchSize)
      await profiler.consumer.step()
    progress.show(() => progressText({ done: size === 0 ? 0 : chunk.bytesRead / size, totals, started }))
    await sleep(0) // signals are heard
  }
  if (first && set !== undefined) await importFirst(profiler, set, undefined)
  append(true)
  await profiler.consumer.drain()
  progress.end()
}

/** The prototypes before the file's first event, in effect as of that event's time; nothing when they are already. */
async function importFirst(
  { log, consumer, store }: Profiler,
  set: PrototypeImport,
  at: number | undefined,
): Promise<void> {
  const { version } = store.counters()
  if (store.version(version)?.hash === set.hash) return
  log.appendControl({ kind: 'import', set, ...(at === undefined ? {} : { at }) })
  await log.flushed()
  await consumer.drain()
}

function firstTs(chunk: FileChunk): number | undefined {
  try {
    const ts = Date.parse(
      (JSON.parse(Buffer.from(chunk.blocks[0]!.records[0]!).toString('utf8')) as { ts: string }).ts,
    )
    return Number.isNaN(ts) || ts < 0 ? undefined : ts
  } catch {
    return undefined // the pipeline will say what is wrong with that record
  }
}

/** Reads a prototype file (and persona set) into an import. Throws UsageError. */
export function readImport(prototypes: string, personas: string | undefined): PrototypeImport {
  const labels = parseLabels(readText(prototypes), prototypes)
  if (labels.length === 0) throw new UsageError(`${prototypes} has no labelled user`)
  return importOf(labels, personas === undefined ? undefined : parsePersonaSet(readText(personas), personas))
}

export function readText(file: string): string {
  try {
    const bytes = readFileSync(file)
    return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8')
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${messageOf(error)}`)
  }
}

function progressText({ done, totals, started }: { done: number; totals: Totals; started: number }): string {
  const rate = totals.events / ((performance.now() - started) / 1000)
  return `${bar(done)} ${grouped(totals.events)} events, ${grouped(rate)} a second`
}

function summaryOf(
  totals: Totals,
  { before, after, seconds }: { before: Counters; after: Readonly<Counters>; seconds: number },
): ReplaySummary {
  return {
    ...totals,
    users: after.users,
    products: after.products,
    edges: after.edges,
    rewalks: after.rewalks - before.rewalks,
    changes: after.changes - before.changes,
    seconds: Math.round(seconds * 1000) / 1000,
    events_per_second: Math.round(totals.events / Math.max(seconds, 1e-3)),
  }
}
