// The HTTP application: a Fastify instance over ports, apart from the process that listens (serve).
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import { LockedError, messageOf, TransientError } from '../errors.ts'
import type { PersonasAnswer } from '../lookup/answer.ts'
import { httpFamilies } from '../metrics/http-families.ts'
import { HttpMeter } from '../metrics/http-meter.ts'
import { Metrics } from '../metrics/registry.ts'
import type { Appended } from '../source/log-appender.ts'
import type { BlockInput } from '../source/log-block.ts'
import type { QuarantinedRecord } from '../store/port.ts'
import { tracer } from '../tracing/tracing.ts'
import { audienceRoutes } from './audiences.ts'
import type { StreamLimits } from './change-stream.ts'
import { changeRoutes } from './changes.ts'
import { erasureRoutes } from './erasure.ts'
import { eventRoutes } from './events.ts'
import { harden, markSafe, type ServerLimits, serverLimits, serverOptions } from './hardening.ts'
import { healthRoutes } from './health.ts'
import { bodyProblem } from './json-body.ts'
import { answerLean } from './lean.ts'
import { metricsRoutes } from './metrics.ts'
import { observeRequests, requestIdHeader, requestIds } from './observe.ts'
import { openApiRoutes } from './openapi.ts'
import { openRtbRoutes } from './openrtb.ts'
import { type OpenRtbMapping, ownNames } from './openrtb-mapping.ts'
import { type Operation, operations } from './operations.ts'
import { personaRoutes } from './personas.ts'
import type { ControlPorts, ReadPorts } from './ports.ts'
import { type Problem, ProblemError, sendProblem } from './problem.ts'
import { quarantineRoutes } from './quarantine.ts'
import { requestLogger } from './request-logger.ts'
import { refuseOthers } from './roles.ts'
import { type SecurityOptions, secure } from './security.ts'
import { markStale } from './stale.ts'
import { traceRequests } from './trace.ts'
import { userRoutes } from './users.ts'
import { type WebhookPort, webhookRoutes } from './webhooks.ts'

/** How things stand, in every process. */
export type StatusPorts = {
  /** Why the process must not be sent requests; undefined when it may. */
  notReady(): string | undefined
  /** Why nothing is ingested now, be it by another process; undefined when all is well. */
  ingestProblem(): string | undefined
  /** For how long answers have been behind what was accepted, or ingest has been down, ms. */
  behindMs(): number
  /** Records that wait to be applied, and whether they are so many that more are refused. */
  backlog(): { readonly records: number; readonly full: boolean }
}
/** What lookups need: reading. */
export type LookupPorts = ReadPorts & {
  lookUp(userId: string): PersonasAnswer | undefined
  /** The same as JSON. */
  lookUpJson(userId: string): string | undefined
}
/** What ingest needs: an append that is durable once it resolves, controls, and what is looked after there. */
export type IngestPorts = ControlPorts & {
  append(block: BlockInput): Promise<Appended>
  /** Quarantined records from this id on. */
  quarantined(from: number, limit: number): QuarantinedRecord[]
  /** Subscriptions; absent where a process does not administer them. */
  readonly webhooks?: WebhookPort
}
export type AppPorts = LookupPorts & IngestPorts & StatusPorts

/** Ports by role; what a process does not serve it has no ports for. */
type Served =
  | { readonly role?: 'all'; readonly ports: AppPorts }
  | { readonly role: 'ingest'; readonly ports: IngestPorts & StatusPorts }
  | { readonly role: 'lookup'; readonly ports: LookupPorts & StatusPorts }

export type AppOptions = Served & {
  readonly bodyBytesMax: number
  readonly logger?: FastifyBaseLogger
  /** Segments of OpenRTB by persona; their own names without. */
  readonly openRtb?: OpenRtbMapping
  readonly streams?: StreamLimits
  /** Who may call what; everybody everything without. */
  readonly security?: SecurityOptions
  /** Where requests are counted, and what else is told with them; requests alone without. */
  readonly observed?: { readonly http: HttpMeter; readonly metrics: Metrics }
  readonly server?: ServerLimits
  /** Whether the process is about to end: connections are closed with their answers then. */
  readonly leaving?: () => boolean
}

/** An id of 256 bytes, percent-encoded, with room to be told that it is too long. */
const paramLengthMax = 4096

/** Bytes of a body that has neither events nor ids: a filter of as many personas as it may name, each character escaped. */
const plainBodyBytesMax = 512 * 1024

/** What a client is asked to wait when something cannot be done now, seconds. */
const retryAfterSeconds = '5'

export function createApp(options: AppOptions): FastifyInstance {
  const { bodyBytesMax, logger, security, server = serverLimits, observed = requestsAlone() } = options
  const requestId = requestIds()
  const newId = () => requestId({ headers: {} })
  const app = fastify({
    ...(logger === undefined ? {} : { loggerInstance: logger, childLoggerFactory: requestLogger }),
    ...serverOptions(server, newId),
    bodyLimit: Math.min(bodyBytesMax, plainBodyBytesMax), // routes that take more say so
    genReqId: requestId,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    forceCloseConnections: 'idle',
    return503OnClosing: false, // who is told to end still answers what reaches it
    routerOptions: { maxParamLength: paramLengthMax },
    frameworkErrors: (error, request, reply) => {
      observed.http.unmatched.observe(error.statusCode ?? 400, 0)
      markSafe(reply as never)
      sendProblem(reply.header(requestIdHeader, request.id) as never, {
        status: error.statusCode ?? 400,
        title: 'bad request',
        detail: error.message,
      })
    },
  })
  const leaving = closeWhenLeaving(app, options.leaving)
  observeRequests(app, observed.http)
  traceRequests(app)
  harden(app, { limits: server, newId })
  if (security !== undefined) secure(app, security)
  takeJsonAlone(app)
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const problem = problemOf(error)
    if (problem.status === 503)
      reply.header('retry-after', reply.getHeader('retry-after') ?? retryAfterSeconds)
    if (problem.status >= 500 && !(error instanceof ProblemError))
      request.log.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    return sendProblem(reply, problem)
  })
  const methodsOf = routedMethods(app)
  app.setNotFoundHandler((request, reply) => {
    const { method } = request
    const path = request.url.split('?')[0]!
    const methods = methodsOf(decodedSteps(path))
    if (methods.length === 0)
      return sendProblem(reply, {
        status: 404,
        title: 'no such route',
        detail: `${method} ${path} is not part of the API`,
      })
    return sendProblem(reply.header('allow', methods.join(', ')), {
      status: 405,
      title: 'method not taken',
      detail: `${path} takes ${methods.join(', ')}, not ${method}`,
    })
  })
  app.register(openApiRoutes)
  app.register(healthRoutes, { role: options.role ?? 'all', ports: options.ports })
  app.register(metricsRoutes, observed)
  if (options.role !== 'ingest') registerLookups(app, { ...options, meter: observed.http })
  if (options.role !== 'lookup') registerIngest(app, { ports: options.ports, bodyBytesMax })
  if (options.role !== undefined) refuseOthers(app, options.role)
  const told = tracer !== undefined || app.log.level === 'debug' || app.log.level === 'trace'
  if (options.role !== 'ingest' && !told) {
    const timesOf = ({ method, path }: Operation) => observed.http.route(method, path)
    answerLean(app.server, {
      ports: options.ports,
      security,
      times: timesOf(operations.getPersonas),
      batchTimes: timesOf(operations.getPersonasBatch),
      requestId,
      leaving,
    })
  }
  return app
}

function requestsAlone() {
  const http = new HttpMeter()
  return { http, metrics: new Metrics(httpFamilies(http)) }
}

function registerLookups(
  app: FastifyInstance,
  {
    ports,
    openRtb = ownNames,
    streams,
    meter,
  }: Pick<AppOptions, 'openRtb' | 'streams'> & {
    readonly ports: LookupPorts & StatusPorts
    readonly meter: HttpMeter
  },
): void {
  app.register(async (lookups) => {
    const may = new WeakSet<FastifyRequest>() // who may not is answered without a look at anything
    lookups.addHook('onRequest', (request, reply, done) => {
      may.add(request)
      markStale(reply, ports) // a stream writes its head by itself
      done()
    })
    lookups.addHook('onSend', (request, reply, payload, done) => {
      if (may.has(request)) markStale(reply, ports) // it may have become so while a body came, or while much was read
      done(null, payload)
    })
    lookups.register(personaRoutes, { ports })
    lookups.register(userRoutes, { ports })
    lookups.register(openRtbRoutes, { ports, mapping: openRtb })
    lookups.register(changeRoutes, { ports, meter, ...(streams === undefined ? {} : { limits: streams }) })
    lookups.register(audienceRoutes, { ports })
  })
}

function registerIngest(
  app: FastifyInstance,
  { ports, bodyBytesMax }: { readonly ports: IngestPorts & StatusPorts; readonly bodyBytesMax: number },
): void {
  app.register(eventRoutes, { ports, bodyBytesMax })
  app.register(erasureRoutes, { ports })
  app.register(quarantineRoutes, { ports })
  if (ports.webhooks !== undefined) app.register(webhookRoutes, { webhooks: ports.webhooks })
}

/** JSON and nothing else is taken; no body at all is none, whatever its type says: many clients send it with a DELETE. */
function takeJsonAlone(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, given, done) => {
    const body = given as Buffer
    if (body.length === 0) return done(null, undefined)
    const detail = bodyProblem(body)
    if (detail !== undefined)
      return done(new ProblemError({ status: 400, title: 'body not readable', detail }))
    parse(request, body.toString('utf8'), done)
  })
}

/** Answers close their connections once the process is about to end; whether it is. */
function closeWhenLeaving(app: FastifyInstance, told: () => boolean = () => false): () => boolean {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  const leaving = () => closing || told()
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (leaving()) reply.header('connection', 'close')
    done(null, payload)
  })
  return leaving
}

/** A path as the router sees it, which takes it with scheme and authority before it, too (RFC 9112 §3.2.2). */
function decodedSteps(path: string): string {
  const steps = path.replace(/^https?:\/\/[^/]*/i, '').split('/')
  try {
    return steps.map((step) => decodeURIComponent(step).replaceAll('/', '%2F')).join('/')
  } catch {
    return path
  }
}

/** Gives the methods that a path has, of all routes that `app` gets from now on. */
function routedMethods(app: FastifyInstance): (path: string) => string[] {
  const routes = new Map<string, { readonly form: RegExp; readonly methods: Set<string> }>()
  app.addHook('onRoute', ({ method, url }) => {
    const form = new RegExp(`^${url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+')}$`)
    const route = routes.get(url) ?? { form, methods: new Set() }
    routes.set(url, route)
    for (const each of [method].flat()) route.methods.add(each)
  })
  return (path) => {
    const fitting = [...routes.values()].filter(({ form }) => form.test(path))
    return [...new Set(fitting.flatMap(({ methods }) => [...methods]))].sort()
  }
}

/** What an error is to a client: its own fault, ours until it is tried again, or ours. */
function problemOf(error: Error & { statusCode?: number }): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof TransientError)
    return { status: 503, title: 'not now', detail: `${messageOf(error)}: try again in a while` }
  if (error instanceof LockedError) return { status: 503, title: 'in use', detail: messageOf(error) }
  const status = error.statusCode ?? 500
  if (status === 415)
    return {
      status,
      title: 'media type not taken',
      detail: 'send JSON with content-type application/json; events also as application/x-ndjson',
    }
  if (status < 500) return { status, title: titleOf(status), detail: error.message }
  return {
    status,
    title: 'internal error',
    detail: 'an internal error; it was logged with the request id',
  }
}

function titleOf(status: number): string {
  return status === 413 ? 'body too large' : 'bad request'
}
