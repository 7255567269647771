// replay FILE…: files (or stdin) through the real pipeline, as fast as it goes; resumable, and idle when finished before.
import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { decodeEvent } from '../codec/event.ts'
import type { Config } from '../config.ts'
import type { PrototypeImport } from '../core/event.ts'
import { InvalidRecordError, LockedError, UsageError } from '../errors.ts'
import { giveWay } from '../give-way.ts'
import { openProfiler, type Profiler } from '../profiler.ts'
import { openChangeFile } from '../sink/change-file.ts'
import { fileSourceName } from '../source/file-lines.ts'
import { decodeBlock } from '../source/log-block.ts'
import { type EncodedChunk, encodedChunks, readAhead } from '../source/read-ahead.ts'
import type { Counters } from '../store/port.ts'
import { configOf, type DataOptions, withData } from './context.ts'
import { bar, grouped, Progress, print, printJson, table } from './output.ts'
import { readImport } from './read-import.ts'

/** Records read ahead of the batch being applied, in batches. */
const aheadBatches = 8
const chunksPerAppend = 16
/** Files of less are read here: a thread would be started for nothing. */
const readAheadBytesMin = 1 << 20
/** Chunks looked through for the first event, which dates the prototypes. */
const chunksSearched = 64

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
  giveWay(config.ingestNice)
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
      commitInThread: true,
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
  const isStream = isStdin || isPipe(file) // read once: no name by content, nothing to resume
  const source = isStream ? undefined : await fileSourceName(file)
  const state = source === undefined ? { next: 0, finished: false } : log.producer(source)
  const size = isStream ? 0 : statSync(file).size
  const chunks =
    source === undefined
      ? encodedChunks(isStdin ? 'stdin' : file, isStdin ? { input: process.stdin } : {})
      : size < readAheadBytesMin
        ? encodedChunks(file, { source, fromLine: state.next })
        : readAhead({ path: file, source, fromLine: state.next })
  if (state.finished) {
    if (set !== undefined) await importFirst(profiler, set, undefined)
    return
  }
  const progress = new Progress()
  const started = performance.now()
  let waiting: EncodedChunk[] = []
  let line = state.next
  let imported = set === undefined
  const append = (finished: boolean) => {
    const next = waiting.at(-1)?.nextLine ?? line
    const mark = source === undefined ? undefined : { name: source, next, finished }
    log.appendEncoded(
      waiting.flatMap(({ blocks }) => blocks),
      mark,
    )
    line = next // only now: what could not be appended is still to be read
    waiting = []
  }
  try {
    for await (const chunk of chunks) {
      const at = imported ? undefined : firstTs(chunk)
      waiting.push(chunk)
      if (!imported && (at !== undefined || waiting.length >= chunksSearched)) {
        await importFirst(profiler, set!, at)
        imported = true
      }
      if (!imported || waiting.length < chunksPerAppend) continue
      append(false)
      while (log.end - profiler.consumer.watermark >= aheadBatches * config.batchSize)
        await profiler.consumer.step()
      progress.show(() => progressText({ done: size === 0 ? 0 : chunk.bytesRead / size, totals, started }))
      await sleep(0) // signals are heard
    }
    if (!imported) await importFirst(profiler, set!, undefined)
    append(true)
  } catch (error) {
    append(false) // what was read before the input broke off is kept
    throw error
  } finally {
    progress.end()
  }
  await profiler.consumer.drain()
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

/** Time of the first event in a chunk, ms; undefined when none of its records is one. */
function firstTs({ blocks }: EncodedChunk): number | undefined {
  for (const { bytes } of blocks)
    for (const { text, format } of decodeBlock(Buffer.from(bytes.buffer as ArrayBuffer), {
      first: 0,
      logName: '',
    })) {
      try {
        return decodeEvent(text, format).ts
      } catch (error) {
        if (!(error instanceof InvalidRecordError)) throw error // the pipeline quarantines it
      }
    }
  return undefined
}

function isPipe(file: string): boolean {
  try {
    const stats = statSync(file)
    return !stats.isFile() && !stats.isDirectory()
  } catch {
    return false // reading it will say what is wrong
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
