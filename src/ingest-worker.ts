// The ingest thread of `serve`: the directory's one writer. It never answers lookups, and lookups never wait for it.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from './config.ts'
import type { PrototypeImport } from './core/event.ts'
import { deadlineIn } from './deadline.ts'
import { messageOf } from './errors.ts'
import { giveWay } from './give-way.ts'
import { ingestMetricsOf } from './ingest-metrics.ts'
import { type LogLevel, StatusReport } from './kafka/report.ts'
import type { IngestMetrics } from './metrics/ingest-metrics.ts'
import { openProfiler, type Profiler, type ProfilerOptions, tryOpenProfiler } from './profiler.ts'
import { openKafkaParts, usesKafka } from './profiler-kafka.ts'
import { openChangeFile } from './sink/change-file.ts'
import { holderOf } from './store/lock.ts'
import { flushTraces } from './tracing/tracing.ts'
import { WebhookSink } from './webhook-client.ts'

export type WorkerInput = {
  readonly dir: string
  readonly config: Config
  /** A file that change events are appended to. */
  readonly changes?: string
  /** Prototypes that are imported once, if their content was not before. */
  readonly prototypes?: PrototypeImport
  /** Wait for the directory while another process writes it, and take over when that one ends. */
  readonly standby?: boolean
}
/** What the thread is told: to end, or that its process has appended to the log. */
export type WorkerRequest = 'stop' | 'appended'
export type WorkerMessage =
  | { readonly kind: 'ready' }
  /** Another process writes the directory: this one waits. */
  | { readonly kind: 'standby'; readonly holder: string }
  /** Sent every second while ingest runs, and when it changes what does not work. */
  | {
      readonly kind: 'beat'
      readonly position: number
      readonly problem: string | undefined
      readonly metrics: IngestMetrics
    }
  | {
      readonly kind: 'log'
      readonly level: LogLevel
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'failed'; readonly error: string }
  /** Asked to stop, it has: everything is closed. */
  | { readonly kind: 'ended' }

const beatMs = 1000
/** How long an end may take to apply what was accepted. */
const drainMsMax = 5000
/** How often a process that waits looks whether the directory is free. */
const standbyPollMs = 100

async function ingest(input: WorkerInput): Promise<void> {
  giveWay(input.config.ingestNice)
  const stop = new AbortController()
  parentPort!.on('message', (request: WorkerRequest) => {
    if (request === 'stop') stop.abort()
    else running?.profiler.log.appended()
  })
  let running: { readonly profiler: Profiler; readonly metrics: () => IngestMetrics } | undefined
  const tell = () => {
    if (running === undefined) return
    const { position } = running.profiler.store.counters()
    send({ kind: 'beat', position, problem: report.notReady, metrics: running.metrics() })
  }
  const report = new StatusReport(
    (level, message, fields) => send({ kind: 'log', level, message, fields }),
    () => tell(),
  )
  const opened = await openWhenFree(input, { report, signal: stop.signal })
  if (opened === undefined) return
  await using profiler = opened
  running = { profiler, metrics: ingestMetricsOf(profiler) }
  importOnce(profiler, input.prototypes)
  let broken: { readonly error: unknown } | undefined
  profiler.kafka?.start().catch((error: unknown) => {
    broken = { error }
    stop.abort()
  })
  tell()
  send({ kind: 'ready' })
  const beat = setInterval(tell, beatMs)
  try {
    await profiler.consumer.run(stop.signal)
    if (broken !== undefined) throw broken.error
    using end = deadlineIn(drainMsMax)
    await profiler.consumer.drainLog(end.signal) // what is left stays in the log
    await profiler.consumer.checkpoint(end.signal)
  } finally {
    clearInterval(beat)
  }
}

/** The directory's one writer, at once or when the process that is it ends; undefined when stopped before. */
async function openWhenFree(
  { dir, config, changes, standby = false }: WorkerInput,
  { report, signal }: { report: StatusReport; signal: AbortSignal },
): Promise<Profiler | undefined> {
  const options: ProfilerOptions = {
    dir,
    config,
    role: 'serve',
    commitInThread: true,
    tell: (level, message, fields) => report.log(level, message, fields),
    sinks: (store) => [
      ...(changes === undefined ? [] : [openChangeFile(changes, store)]),
      new WebhookSink({
        dir,
        config,
        changes: store.counters().changes,
        warn: (message, fields) => report.log('warn', message, fields),
      }),
    ],
    kafka: ({ store, values }) =>
      usesKafka(config) ? openKafkaParts({ dir, config, store, values, report }) : undefined,
  }
  if (!standby) return openProfiler(options)
  for (let told = false; !signal.aborted; told = true) {
    const profiler = tryOpenProfiler(options)
    if (profiler !== undefined) return profiler
    if (!told) send({ kind: 'standby', holder: holderOf(dir) })
    await sleep(standbyPollMs, undefined, { signal }).catch(() => undefined)
  }
  return undefined
}

/** Prototypes of a file given at the start: once by their content, so that a restart does not undo a later import. */
function importOnce({ log }: Profiler, set: PrototypeImport | undefined): void {
  if (set === undefined) return
  const mark = { name: `import:${set.hash}`, next: 1 }
  if (log.producer(mark.name).next === 0) log.appendControl({ kind: 'import', set }, mark)
}

function send(message: WorkerMessage): void {
  parentPort!.postMessage(message)
}

ingest(workerData as WorkerInput).then(
  () => flushTraces().then(() => send({ kind: 'ended' })),
  (error: unknown) => send({ kind: 'failed', error: messageOf(error) }),
)
