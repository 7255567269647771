// The lookup that bidders wait for, in front of the framework: a plain GET of a user that is known, by a caller who may, is
// answered by one write. Whatever is otherwise about a request (no right, no such user, a limited rate, a body, an end that
// is under way) is left to the route, which answers the same and for everything else. Routing, hooks and replies of a
// framework cost several times what the lookup does.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { idProblem } from '../core/ids.ts'
import type { RouteTimes } from '../metrics/http-meter.ts'
import type { LookupPorts, StatusPorts } from './app.ts'
import { everyLookup } from './hardening.ts'
import { requestIdHeader } from './observe.ts'
import type { SecurityOptions } from './security.ts'
import { recentStaleHeaders } from './stale.ts'

export type LeanOptions = {
  readonly ports: LookupPorts & StatusPorts
  readonly security: SecurityOptions | undefined
  readonly times: RouteTimes
  readonly requestId: (request: IncomingMessage) => string
  /** Whether the server is about to end: connections are closed with their answers then. */
  readonly closing: () => boolean
}

const before = '/v1/users/'
const after = '/personas'
/** Names and values of an answer's headers in turn; the last four are set for each. */
const headers = [
  ...Object.entries(everyLookup).flat(),
  'content-type',
  'application/json; charset=utf-8',
  requestIdHeader,
  '',
  'content-length',
  '',
]
const idAt = headers.indexOf(requestIdHeader) + 1
const lengthAt = headers.indexOf('content-length') + 1

type Lean = LeanOptions & { readonly stale: (now: number) => readonly string[] }

/** What stands for itself in a path, of no more characters than an id has bytes; and with percent-encoded bytes. */
const plainId = /^[\w.~!$&'()*+,=:@-]{1,256}$/
const encodedId = /^[\w.~!$&'()*+,=:@%-]+$/

/** Puts the lean lookup in front of what answers requests of `server`. */
export function answerLean(server: Server, options: LeanOptions): void {
  const ordinary = server.listeners('request') as ((
    request: IncomingMessage,
    response: ServerResponse,
  ) => void)[]
  const lean = { ...options, stale: recentStaleHeaders(options.ports) }
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if (!answered(request, response, lean)) for (const each of ordinary) each(request, response)
  })
}

/** Whether it was answered: if not, nothing was done. */
function answered(request: IncomingMessage, response: ServerResponse, lean: Lean): boolean {
  const began = performance.now()
  const id = request.method === 'GET' ? idOf(request.url!) : undefined
  if (id === undefined || !isPlain(request) || lean.closing()) return false
  const { ports, security, times, requestId } = lean
  if (security !== undefined && !mayLookUp(request, security)) return false
  let json: string | undefined
  try {
    json = ports.lookUpJson(id)
  } catch {
    return false // the route comes upon the same, and says so
  }
  if (json === undefined) return false
  const length = Buffer.byteLength(json)
  headers[idAt] = requestId(request)
  headers[lengthAt] = String(length)
  const stale = lean.stale(began)
  response.writeHead(200, stale.length === 0 ? headers : [...headers, ...stale])
  response.end(json, length === json.length ? 'latin1' : 'utf8') // of ASCII both are the same, and the first is quicker
  times.observe(200, performance.now() - began)
  return true
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

/** No body, and nothing that asks for more than an answer. */
function isPlain({ headers, httpVersionMinor }: IncomingMessage): boolean {
  return (
    (httpVersionMinor !== 1 || headers.host !== undefined) &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
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
  if (token === undefined) return !required()
  return token.scopes.includes('lookup') || token.scopes.includes('admin')
}
