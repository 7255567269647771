// `serve` as a library: the ingest worker, and Fastify over a reader of the same data on the calling thread.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { Controls } from './controls.ts'
import { unreachable } from './core/assert.ts'
import { FatalError, messageOf, UsageError } from './errors.ts'
import { truthMeter } from './evaluation/truth-meter.ts'
import { createApp } from './http/app.ts'
import { type OpenRtbMapping, parseOpenRtbMapping } from './http/openrtb-mapping.ts'
import type { SecurityOptions } from './http/security.ts'
import { TokenSet } from './http/tokens.ts'
import type { WorkerInput, WorkerMessage } from './ingest-worker.ts'
import { Lag } from './lookup/lag.ts'
import { openLog, openReaderBesideWriter, type Place } from './profiler.ts'
import { createReads } from './serve-reads.ts'
import { LogAppender } from './source/log-appender.ts'
import type { BlockInput } from './source/log-block.ts'
import type { LmdbStore } from './store/lmdb/lmdb-store.ts'
import { openWebhookAdmin } from './webhooks.ts'

/** Ingest counts as stuck when it has not been heard of for this long. */
const silenceMsMax = 15_000
/** How long a process on standby waits for a store to be made, and how often it looks. */
const storeMsMax = 60_000
const storePollMs = 100
/** How long an end waits for requests that clients have not finished. */
const closeMsMax = 5_000
/** How often it is noted how far ingest has come. */
const lagMs = 250

export type Server = AsyncDisposable & {
  readonly address: string
  /** Resolves when ingest fails, with why. */
  readonly failed: Promise<Error>
}

export type ServerOptions = WorkerInput & { readonly logger?: FastifyBaseLogger }

/** Starts ingest and the API; rejects with LockedError or FatalError when either cannot start. */
export async function startServer({ logger, ...input }: ServerOptions): Promise<Server> {
  const { dir, config } = input
  const openRtb = mappingOf(config.openrtbMapping)
  const security = securityOf({ dir, config })
  const ingest = await startIngest(input, logger)
  const store = await openReaderWhenMade({ dir, config }, ingest)
  const log = openLog({ dir, config })
  const appender = new LogAppender(log)
  const append = (block: BlockInput) => appender.append(block)
  const backlog = () => {
    const records = log.end - store.watermark(log.name)
    return { records, full: records >= config.logBacklogMax || appender.full }
  }
  const full = () => backlog().full
  const controls = new Controls({ dir, config, store, logName: log.name, append, full, now: Date.now })
  const reads = createReads(store, { config, hidden: (userId) => controls.erasing(userId), now: Date.now })
  const lag = new Lag()
  const noting = setInterval(() => {
    const down = ingest.problem() !== undefined
    lag.note({ at: performance.now(), end: log.end, applied: store.watermark(log.name), down })
  }, lagMs)
  const webhooks = openWebhookAdmin({ dir, config, changes: () => store.counters().changes })
  const app = createApp({
    bodyBytesMax: config.bodyBytesMax,
    ...(logger === undefined ? {} : { logger }),
    ...(openRtb === undefined ? {} : { openRtb }),
    security,
    ports: {
      ...reads,
      erase: (userId) => controls.erase(userId),
      requeue: (id) => controls.requeue(id),
      append,
      backlog,
      truth: truthMeter(store, () => performance.now()),
      notReady: () => ingest.problem(),
      behindMs: () => lag.behindMs(performance.now()),
      webhooks: webhooks.admin,
    },
  })
  const stop = async () => {
    clearInterval(noting)
    const late = setTimeout(() => app.server.closeAllConnections(), closeMsMax)
    await app.close()
    clearTimeout(late)
    await controls[Symbol.asyncDispose]()
    await reads.close()
    await appender.idle()
    await ingest.stop()
    await webhooks.close()
    await log.close()
    await store.close()
  }
  try {
    const address = await app.listen({ host: config.host, port: config.port })
    if (!security.required())
      logger?.info('anybody on this machine may use the API: there are no tokens, or KINDRED_AUTH is off')
    return { address, failed: ingest.failed, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw new FatalError(
      `cannot listen on ${config.host}:${config.port}: ${(error as Error).message}; choose another with --port`,
    )
  }
}

/** Tokens as the configuration asks for them. Throws UsageError, FatalError. */
function securityOf({ dir, config }: Place): SecurityOptions {
  const { auth, host, rateLimit } = config
  const tokens = new TokenSet(dir, () => performance.now())
  const loopback = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
  if (auth === 'off' && !loopback)
    throw new UsageError(
      `KINDRED_AUTH=off is for loopback: ${host} can be reached by others; leave it out, and make a token with \`kindred tokens add\``,
    )
  const always = auth === 'on' || (auth === 'auto' && !loopback)
  if (always && tokens.size === 0)
    throw new FatalError(
      `there is no token for the API in ${dir}: make one with \`kindred tokens add NAME --scopes lookup,ingest --data ${dir}\`${loopback ? '' : ', or listen on loopback'}`,
    )
  const required = () => always || (auth === 'auto' && tokens.size > 0)
  return {
    required,
    find: (token) => tokens.find(token),
    requestsPerSecond: rateLimit,
    now: () => performance.now(),
  }
}

/** The segments of a mapping file. Throws UsageError. */
function mappingOf(path: string): OpenRtbMapping | undefined {
  if (path === '') return undefined
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`KINDRED_OPENRTB_MAPPING: ${messageOf(error)}`)
  }
  return parseOpenRtbMapping(text)
}

type Ingest = { readonly failed: Promise<Error>; problem(): string | undefined; stop(): Promise<void> }

/** A process on standby may be there before the writer has made the store. */
async function openReaderWhenMade(place: Place, { failed, problem }: Ingest): Promise<LmdbStore> {
  for (const end = performance.now() + storeMsMax; ; ) {
    try {
      return openReaderBesideWriter(place)
    } catch (error) {
      if (performance.now() > end || problem() === undefined) throw error
    }
    const failure = await Promise.race([failed, sleep(storePollMs)])
    if (failure !== undefined) throw failure
  }
}

async function startIngest(input: WorkerInput, logger: FastifyBaseLogger | undefined): Promise<Ingest> {
  const worker = new Worker(new URL('./ingest-worker.js', import.meta.url), { workerData: input })
  let heard = performance.now()
  let failure: Error | undefined
  let stopping = false
  let ended = false
  let waiting: string | undefined
  let broken: string | undefined
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
    async stop() {
      stopping = true
      if (failure === undefined) worker.postMessage('stop')
      await exited
      if (failure !== undefined) throw failure
    },
  }
}
