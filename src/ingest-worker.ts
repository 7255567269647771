// The ingest thread of `serve`: the directory's one writer. It never answers lookups, and lookups never wait for it.
import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from './config.ts'
import { messageOf } from './errors.ts'
import { openProfiler } from './profiler.ts'
import { openChangeFile } from './sink/change-file.ts'

/** `changes`: a file that change events are appended to. */
export type WorkerInput = { readonly dir: string; readonly config: Config; readonly changes?: string }
export type WorkerMessage =
  | { readonly kind: 'ready' }
  /** Sent every second while ingest runs. */
  | { readonly kind: 'beat'; readonly position: number }
  | { readonly kind: 'failed'; readonly error: string }

const beatMs = 1000
/** How long an end may take to apply what was accepted. */
const drainMsMax = 5000

async function ingest({ dir, config, changes }: WorkerInput): Promise<void> {
  const stop = new AbortController()
  parentPort!.on('message', () => stop.abort())
  await using profiler = openProfiler({
    dir,
    config,
    role: 'serve',
    commitInThread: true,
    sinks: (store) => (changes === undefined ? [] : [openChangeFile(changes, store)]),
  })
  send({ kind: 'ready' })
  const beat = setInterval(() => send({ kind: 'beat', position: profiler.store.counters().position }), beatMs)
  try {
    await profiler.consumer.run(stop.signal)
    await profiler.consumer.drain(AbortSignal.timeout(drainMsMax)) // what is left stays in the log
    await profiler.consumer.checkpoint()
  } finally {
    clearInterval(beat)
  }
}

function send(message: WorkerMessage): void {
  parentPort!.postMessage(message)
}

ingest(workerData as WorkerInput).then(
  () => parentPort!.close(),
  (error: unknown) => {
    send({ kind: 'failed', error: messageOf(error) })
    process.exitCode = 1
    parentPort!.close()
  },
)
