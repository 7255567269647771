// The lookups that bidders wait for, in front of the framework: a plain GET of a user that is known, and a batch whose body
// comes with its head, by a caller who may, on a connection that stays, are answered by one write. Whatever is otherwise
// about a request (no right, no such user, a limited rate, a body of a GET, an answer before it that is under way, an end) is
// left to the route, which answers the same and for everything else. Routing, hooks, checks of headers that are always the
// same and writing in parts cost several times what the lookup does.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { idProblem } from '../core/ids.ts'
import type { RouteTimes } from '../metrics/http-meter.ts'
import type { LookupPorts, StatusPorts } from './app.ts'
import { everyAnswer, hasOneHost } from './hardening.ts'
import { mayBeWhole, takeIds } from './lean-batch.ts'
import { requestIdHeader } from './observe.ts'
import { operations } from './operations.ts'
import { batchJson } from './personas.ts'
import { isFromThisMachine, type SecurityOptions } from './security.ts'
import { recentStaleHeaders } from './stale.ts'

export type LeanOptions = {
  readonly ports: LookupPorts & StatusPorts
  readonly security: SecurityOptions | undefined
  readonly times: RouteTimes
  readonly batchTimes: RouteTimes
  readonly requestId: (request: IncomingMessage) => string
  /** Whether the server is about to end: connections are closed with their answers then. */
  readonly leaving: () => boolean
}

const before = '/v1/users/'
const after = '/personas'
const batchPath = operations.getPersonasBatch.path
/** The beginning of every answer. */
const fixed = lines([
  ...Object.entries(everyAnswer).flat(),
  'content-type',
  'application/json; charset=utf-8',
  'connection',
  'keep-alive',
])

/** What an answer is made with beside the lookup. */
type Lean = LeanOptions & {
  /** Headers that say how old the data is, now (ms of a clock that is never set). */
  readonly stale: (now: number) => readonly string[]
  /** The head of an answer up to what is of the request. */
  readonly head: () => string
}

/** What stands for itself in a path, of no more characters than an id has bytes; and with percent-encoded bytes. */
const plainId = /^[\w.~!$&'()*+,=:@-]{1,256}$/
const encodedId = /^[\w.~!$&'()*+,=:@%-]+$/

/** Puts the lean lookup in front of what answers requests of `server`. */
export function answerLean(server: Server, options: LeanOptions): void {
  const ordinary = server.listeners('request') as ((
    request: IncomingMessage,
    response: ServerResponse,
  ) => void)[]
  const lean = { ...options, stale: recentStaleHeaders(options.ports), head: heads(server) }
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const ordinarily = () => {
      for (const each of ordinary) each(request, response)
    }
    if (request.method === 'POST' && request.url === batchPath)
      answerBatch({ request, response, lean, ordinarily })
    else if (!answered(request, response, lean)) ordinarily()
  })
}

/** Whether it was answered: if not, nothing was done. */
function answered(request: IncomingMessage, response: ServerResponse, lean: Lean): boolean {
  const began = performance.now()
  const { socket } = response // none while an answer before it is under way
  const id = request.method === 'GET' && socket !== null ? idOf(request.url!) : undefined
  if (id === undefined || hasBody(request) || !isPlain(request) || lean.leaving()) return false
  const { ports, security } = lean
  if (security !== undefined && !mayLookUp(request, security)) return false
  let json: string | undefined
  try {
    json = ports.lookUpJson(id)
  } catch {
    return false // the route comes upon the same, and says so
  }
  if (json === undefined) return false
  write(json, { request, response, socket: socket!, lean, began })
  lean.times.observe(200, performance.now() - began)
  return true
}

/** Answers a batch, at the next tick: by then the body is there, if it came with the head. */
function answerBatch({
  request,
  response,
  lean,
  ordinarily,
}: {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly lean: Lean
  readonly ordinarily: () => void
}): void {
  if (!isPlain(request) || !mayBeWhole(request)) return ordinarily()
  const { ports, security, batchTimes } = lean
  if (security !== undefined && !mayLookUp(request, security)) return ordinarily()
  const began = performance.now()
  process.nextTick(() => {
    const { socket } = response
    if (socket === null || lean.leaving()) return ordinarily()
    const json = takeIds(request, (ids) => batchJson(ids, ports))
    if (json === undefined) return ordinarily()
    write(json, { request, response, socket, lean, began })
    batchTimes.observe(200, performance.now() - began)
  })
}

type Writing = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly socket: Socket
  readonly lean: Lean
  readonly began: number
}

/** Writes the whole answer: the connection is done with `response` when it has finished, whoever wrote it. */
function write(json: string, { request, response, socket, lean, began }: Writing): void {
  const length = Buffer.byteLength(json)
  const stale = lean.stale(began)
  const told = stale.length === 0 ? '' : lines(stale)
  socket.write(
    `${lean.head()}${told}${requestIdHeader}: ${lean.requestId(request)}\r\ncontent-length: ${length}\r\n\r\n${json}`,
    length === json.length ? 'latin1' : 'utf8', // of ASCII both are the same, and the first is quicker
    () => response.emit('finish'),
  )
}

/** Names and values in turn as lines of a head. */
function lines(headers: readonly string[]): string {
  let all = ''
  for (let i = 0; i < headers.length; i += 2) all += `${headers[i]}: ${headers[i + 1]}\r\n`
  return all
}

/** Heads of `server`, each as of its second. */
function heads(server: Server): () => string {
  let until = 0
  let head = ''
  return () => {
    const now = Date.now()
    if (now < until && until - now <= 1000) return head
    until = (Math.floor(now / 1000) + 1) * 1000
    const alive = `timeout=${Math.floor(server.keepAliveTimeout / 1000)}`
    head = `HTTP/1.1 200 OK\r\n${fixed}${lines(['keep-alive', alive, 'date', new Date(now).toUTCString()])}`
    return head
  }
}

/** The user id of a path that is the lookup's; undefined for any other, and for what is no id. */
function idOf(url: string): string | undefined {
  if (!url.startsWith(before) || !url.endsWith(after)) return undefined
  const part = url.slice(before.length, -after.length)
  if (plainId.test(part)) return part
  const id = encodedId.test(part) ? decoded(part) : undefined
  return id === undefined || idProblem(id) !== undefined ? undefined : id
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return (
    headers['content-length'] !== undefined ||
    headers['transfer-encoding'] !== undefined ||
    headers['content-encoding'] !== undefined
  )
}

/** HTTP/1.1 on a connection that stays, and nothing that asks for more than an answer. */
function isPlain(request: IncomingMessage): boolean {
  const { headers, httpVersion } = request
  const { connection } = headers
  return (
    httpVersion === '1.1' &&
    hasOneHost(request) &&
    (connection === undefined || connection === 'keep-alive') &&
    headers.expect === undefined &&
    headers.upgrade === undefined &&
    headers['accept-version'] === undefined
  )
}

/** By the rules of the route, where no rate is limited. */
function mayLookUp(
  { headers }: IncomingMessage,
  { required, find, requestsPerSecond }: SecurityOptions,
): boolean {
  if (requestsPerSecond > 0) return false
  const token = headers.authorization === undefined ? undefined : find(headers.authorization)
  if (token === undefined) return !required() && isFromThisMachine(headers)
  return token.scopes.includes('lookup') || token.scopes.includes('admin')
}
