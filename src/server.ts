// `serve` as a library, by role: `ingest` has the ingest thread and takes events, `lookup` reads the same directory and
// answers, from as many processes as there are cores, `all` does both, on separate threads.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { Controls } from './controls.ts'
import { FatalError, NoDataError } from './errors.ts'
import { createApp, type IngestPorts, type LookupPorts, type StatusPorts } from './http/app.ts'
import type { Role } from './http/role.ts'
import {
  type IngestStatus,
  StatusReader,
  StatusWriter,
  statusReadMs,
  statusWriteMs,
} from './ingest-status.ts'
import { type Ingest, startIngest } from './ingest-thread.ts'
import type { WorkerInput } from './ingest-worker.ts'
import { Lag, Lags } from './lookup/lag.ts'
import { openLog, openReader, openReaderBesideWriter, type Place } from './profiler.ts'
import { serveMetrics } from './serve-metrics.ts'
import { createReads } from './serve-reads.ts'
import { mappingOf, securityOf } from './serve-settings.ts'
import { LogAppender } from './source/log-appender.ts'
import type { BlockInput } from './source/log-block.ts'
import type { LmdbStore } from './store/lmdb/lmdb-store.ts'
import { flushTraces } from './tracing/tracing.ts'
import { openWebhookAdmin } from './webhooks.ts'

/** How long a process that does not ingest waits for a store to be made, and how often it looks. */
const storeMsMax = 60_000
const storePollMs = 100
/** How long an end waits for requests that clients have not finished. */
const closeMsMax = 5_000
/** How often it is noted how far ingest has come. */
const lagMs = 250
/** How often a process that looks up makes sure that what it reads is what lies there. */
const replacedMs = 1_000
/** How often what processes that were killed had open is given back: what they read keeps pages from being used again. */
const deadReadersMs = 10_000

export type Server = AsyncDisposable & {
  readonly address: string
  /** Resolves when ingest fails, with why. */
  readonly failed: Promise<Error>
  /** Says that it is not ready, and still answers: for as long as whoever sends requests takes to notice. */
  drain(): Promise<void>
}

export type ServerOptions = WorkerInput & { readonly role: Role; readonly logger?: FastifyBaseLogger }

type Closing = () => Promise<unknown> | unknown
type Context = {
  readonly options: ServerOptions
  readonly shared: ReturnType<typeof appOptions>
  readonly closing: Closing[]
  /** Why no more requests must be sent; undefined while they may. */
  leaving(): string | undefined
}
type Side = { readonly app: FastifyInstance; readonly failed: Promise<Error> }

/** Starts what the role asks for; rejects with LockedError, FatalError or UsageError when it cannot. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { config, logger, role } = options
  const closing: Closing[] = []
  let leaving: string | undefined
  const close = () => closeAll(closing)
  const shared = { ...appOptions(options), leaving: () => leaving !== undefined }
  closing.push(flushTraces) // last
  try {
    const context: Context = { options, shared, closing, leaving: () => leaving }
    const { app, failed } = role === 'lookup' ? await lookupSide(context) : await ingestSide(context)
    closing.push(() => closeApp(app))
    const address = await listen(app, config)
    if (!shared.security.required())
      logger?.info('anybody on this machine may use the API: there are no tokens, or KINDRED_AUTH is off')
    return {
      address,
      failed,
      async drain() {
        leaving = 'it was told to end'
        const over = new AbortController()
        const wait = sleep(config.drainSeconds * 1000, undefined, { signal: over.signal })
        await Promise.race([wait.catch(() => undefined), failed])
        over.abort() // a timer would keep the process
      },
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close().catch(() => undefined) // what made it fail is said
    throw error
  }
}

/** A process that reads what another writes, now or later. */
async function lookupSide({ options, shared, closing, leaving }: Context): Promise<Side> {
  const { dir, config, logger } = options
  const store = await whenMade(() => openReader({ dir, config }), { logger })
  closing.push(() => store.close())
  const reads = createReads(store, { config, hidden: () => false, now: Date.now })
  closing.push(() => reads.close())
  const ingest = new StatusReader(dir, { now: Date.now, steady: () => performance.now() })
  every(statusReadMs, closing, () => ingest.look())
  const ports: LookupPorts & StatusPorts = {
    ...reads,
    notReady: leaving,
    ingestProblem: () => ingest.problem(),
    behindMs: () => ingest.behindMs(),
    backlog: () => ({ records: ingest.waiting, full: false }),
  }
  const problem = ingest.problem()
  if (problem !== undefined) logger?.warn(problem)
  const observed = serveMetrics({ dir, config, role: 'lookup', store, ...ports })
  return {
    app: createApp({ ...shared, role: 'lookup', ports, observed }),
    failed: whenReplaced(store, closing),
  }
}

/** Resolves when what is read is not what lies in the directory any more: it would be answered from for good. */
function whenReplaced(store: LmdbStore, closing: Closing[]): Promise<Error> {
  return new Promise((resolve) => {
    every(replacedMs, closing, () => {
      const why = store.replaced()
      if (why !== undefined) resolve(new FatalError(why))
    })
  })
}

/** The process that ingests, or waits to; it looks up as well unless its role is ingest alone. */
async function ingestSide({ options, shared, closing, leaving }: Context): Promise<Side> {
  const { dir, config, role, logger, ...input } = options
  const ingest = await startIngest({ dir, config, ...input }, logger)
  closing.push(() => ingest.stop())
  const store = await whenMade(() => openReaderBesideWriter({ dir, config }), { logger, ingest })
  closing.push(() => store.close())
  every(deadReadersMs, closing, () => store.dropDeadReaders())
  const log = openLog({ dir, config })
  closing.push(() => log.close())
  const webhooks = openWebhookAdmin({ dir, config, changes: () => store.counters().changes })
  closing.push(() => webhooks.close())
  closing.push(() => ingest.stop()) // before what it has open is closed here
  const appender = new LogAppender({
    append(blocks) {
      const at = log.append(blocks)
      ingest.appended()
      return at
    },
    flushed: () => log.flushed(),
  })
  closing.push(() => appender.idle())
  const append = (block: BlockInput) => appender.append(block)
  const waiting = () => log.end - store.watermark(log.name)
  const full = () => waiting() >= config.logBacklogMax || appender.full
  const controls = new Controls({ dir, config, store, logName: log.name, append, full, now: Date.now })
  closing.push(() => controls[Symbol.asyncDispose]())
  const behindMs = noteLag({ store, ingest, end: () => log.end }, closing)
  await tellOthers({ options, ingest, closing }, () => ({ waiting: waiting(), behind_ms: behindMs() }))
  const own: IngestPorts & StatusPorts = {
    erase: (userId) => controls.erase(userId),
    requeue: (id) => controls.requeue(id),
    append,
    quarantined: (from, limit) => store.quarantinedRecords(from, limit),
    webhooks: webhooks.admin,
    notReady: () => leaving() ?? ingest.problem(),
    ingestProblem: () => ingest.problem(),
    behindMs,
    backlog: () => ({ records: waiting(), full: full() }),
  }
  const told = { ...ingest, log, webhooksMapUse: () => webhooks.mapUse() }
  const observed = serveMetrics({ dir, config, role, store, ...own, ingest: told })
  if (role === 'ingest')
    return { app: createApp({ ...shared, role: 'ingest', ports: own, observed }), failed: ingest.failed }
  const reads = createReads(store, { config, hidden: (userId) => controls.erasing(userId), now: Date.now })
  closing.push(() => reads.close())
  return {
    app: createApp({ ...shared, role: 'all', ports: { ...reads, ...own }, observed }),
    failed: ingest.failed,
  }
}

function appOptions({ dir, config, logger }: ServerOptions) {
  const openRtb = mappingOf(config.openrtbMapping)
  return {
    bodyBytesMax: config.bodyBytesMax,
    ...(logger === undefined ? {} : { logger }),
    ...(openRtb === undefined ? {} : { openRtb }),
    security: securityOf({ dir, config }),
  }
}

async function listen(app: FastifyInstance, { host, port }: Place['config']): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (error) {
    throw new FatalError(
      `cannot listen on ${host}:${port}: ${(error as Error).message}; choose another with --port`,
    )
  }
}

/** Closes what was opened last first, all of it; then throws what went wrong first. */
async function closeAll(closing: Closing[]): Promise<void> {
  const failures: unknown[] = []
  for (const one of closing.splice(0).reverse()) {
    try {
      await one()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

async function closeApp(app: FastifyInstance): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), closeMsMax)
  await app.close()
  clearTimeout(late)
}

/** A process may be there before the writer has made the store. */
async function whenMade(
  open: () => LmdbStore,
  { logger, ingest }: { logger: FastifyBaseLogger | undefined; ingest?: Ingest },
): Promise<LmdbStore> {
  const end = performance.now() + storeMsMax
  for (let told = false; ; told = true) {
    try {
      return open()
    } catch (error) {
      const mayCome = error instanceof NoDataError && (ingest === undefined || ingest.problem() !== undefined)
      if (!mayCome || performance.now() > end) throw error
      if (!told)
        logger?.info(`there is no data yet: waiting ${storeMsMax / 1000} s for a process that ingests`)
    }
    const failure = await Promise.race(
      [ingest?.failed, sleep(storePollMs)].filter((one) => one !== undefined),
    )
    if (failure instanceof Error) throw failure
  }
}

/** Notes how far ingest has come; how far answers are behind, ms. */
function noteLag(
  { store, ingest, end }: { store: LmdbStore; ingest: Ingest; end(): number },
  closing: Closing[],
): () => number {
  const log = new Lag()
  const topics = new Lags()
  every(lagMs, closing, () => {
    const at = performance.now()
    log.note({ at, end: end(), applied: store.watermark('log'), down: ingest.problem() !== undefined })
    // by when records were seen, not by the times they carry, which may be of years ago
    const partitions = ingest.metrics()?.partitions ?? []
    topics.note(
      partitions.map(({ topic, partition, next, records }) => ({
        name: `${topic}/${partition}`,
        end: next + records,
        applied: next,
      })),
      at,
    )
  })
  return () => {
    const now = performance.now()
    return Math.max(log.behindMs(now), topics.behindMs(now))
  }
}

/**
 * Writes how ingest stands for the processes that only look up, unless another ingests; at the end, that it has ended.
 * Resolves when that is written for the first time.
 */
async function tellOthers(
  { options, ingest, closing }: { options: ServerOptions; ingest: Ingest; closing: Closing[] },
  how: () => Pick<IngestStatus, 'waiting' | 'behind_ms'>,
): Promise<void> {
  const { dir, logger } = options
  const writer = new StatusWriter(dir)
  let failing = false
  let over = false
  const write = async (problem: string | undefined) => {
    if (over || ingest.onStandby()) return
    try {
      await writer.write({ pid: process.pid, at: Date.now(), ...how(), problem: problem ?? null })
      failing = false
    } catch (error) {
      if (!failing) logger?.warn(error, 'those that look up cannot be told how ingest stands')
      failing = true
    }
  }
  void ingest.failed.then(() => {
    void write(ingest.problem())
    over = true // another may ingest while this process is still ending
  })
  closing.push(async () => {
    await write('ingest was ended')
    await writer.settled()
  })
  every(statusWriteMs, closing, () => void write(ingest.problem()))
  await write(ingest.problem())
}

/** Does `work` now and then, until the end. */
function every(ms: number, closing: Closing[], work: () => void): void {
  const timer = setInterval(work, ms)
  closing.push(() => clearInterval(timer))
}
