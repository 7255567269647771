// The ingest thread as the process that has it sees it: started, listened to, and ended.
import { Worker } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { unreachable } from './core/assert.ts'
import { FatalError } from './errors.ts'
import type { WorkerInput, WorkerMessage, WorkerRequest } from './ingest-worker.ts'
import type { IngestMetrics } from './metrics/ingest-metrics.ts'

/** Ingest counts as stuck when it has not been heard of for this long. */
const silenceMsMax = 15_000

export type Ingest = {
  /** Resolves when ingest fails, with why. */
  readonly failed: Promise<Error>
  /** Why nothing is ingested; undefined when all is well. */
  problem(): string | undefined
  /** Whether another process ingests, and this one waits. */
  onStandby(): boolean
  /** What the thread told of itself last; undefined before the first time. */
  metrics(): IngestMetrics | undefined
  /** This process has appended to the log: what waits for records looks at once. */
  appended(): void
  stop(): Promise<void>
}

/** Resolves once it ingests, or waits for the directory; rejects when it cannot start. */
export async function startIngest(
  input: WorkerInput,
  logger: FastifyBaseLogger | undefined,
): Promise<Ingest> {
  const worker = new Worker(new URL('./ingest-worker.js', import.meta.url), { workerData: input })
  let heard = performance.now()
  let failure: Error | undefined
  let stopping = false
  let ended = false
  let waiting: string | undefined
  let broken: string | undefined
  let metrics: IngestMetrics | undefined
  const tell = (request: WorkerRequest) => worker.postMessage(request)
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const failed = new Promise<Error>((resolve) => {
    const fail = (error: Error) => {
      failure ??= error
      resolve(failure)
    }
    worker.once('error', fail)
    worker.on('message', (message: WorkerMessage) => {
      switch (message.kind) {
        case 'failed':
          fail(new FatalError(message.error))
          return void worker.terminate()
        case 'ended':
          ended = true
          return void worker.terminate() // kafkajs may try again, for a while, what it was closed in the middle of
        case 'log':
          return logger?.[message.level](message.fields, message.message)
        case 'standby':
          waiting = `on standby: the directory is being written by ${message.holder}`
          return logger?.info(waiting)
        case 'ready':
          if (waiting !== undefined) logger?.info('took over')
          waiting = undefined
          return
        case 'beat':
          broken = message.problem
          metrics = message.metrics
          return
        default:
          unreachable(message)
      }
    })
    worker.once('exit', (code) => {
      if ((code !== 0 && !ended) || !stopping)
        fail(new FatalError(`ingest ended by itself with code ${code}`))
    })
  })
  const ready = new Promise<void>((resolve) => {
    worker.on('message', (message: WorkerMessage) => {
      heard = performance.now()
      if (message.kind === 'ready' || message.kind === 'standby') resolve()
    })
  })
  await Promise.race([ready, failed.then((error) => Promise.reject(error))])
  return {
    failed,
    problem() {
      if (failure !== undefined) return `ingest has ended: ${failure.message}`
      if (waiting !== undefined) return waiting
      const silent = performance.now() - heard
      return silent > silenceMsMax
        ? `ingest has not been heard of for ${Math.round(silent / 1000)} s`
        : broken
    },
    onStandby: () => waiting !== undefined,
    metrics: () => metrics,
    appended: () => tell('appended'),
    async stop() {
      stopping = true
      if (failure === undefined) tell('stop')
      await exited
      if (failure !== undefined) throw failure
    },
  }
}
