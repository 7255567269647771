// The lookup that bidders wait for, in front of the framework: a plain GET of a user that is known, by a caller who may, is
// answered by one write. Whatever is otherwise about a request (no right, no such user, a limited rate, a body, an end that
// is under way) is left to the route, which answers the same and for everything else. Routing, hooks and replies of a
// framework cost several times what the lookup does.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { idProblem } from '../core/ids.ts'
import type { RouteTimes } from '../metrics/http-meter.ts'
import type { LookupPorts, StatusPorts } from './app.ts'
import { everyAnswer } from './hardening.ts'
import { requestIdHeader } from './observe.ts'
import { type SecurityOptions, tokenOf } from './security.ts'
import { staleHeaders } from './stale.ts'

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
const fixed: readonly string[] = [
  ...Object.entries(everyAnswer).flat(),
  'content-type',
  'application/json; charset=utf-8',
]
/** What stands for itself in a path, and percent-encoded bytes. */
const plainId = /^[\w.~!$&'()*+,=:@%-]+$/
/** Headers with which a request is no plain one. */
const special = ['content-length', 'transfer-encoding', 'expect', 'upgrade', 'accept-version'] as const

/** Puts the lean lookup in front of what answers requests of `server`. */
export function answerLean(server: Server, options: LeanOptions): void {
  const ordinary = server.listeners('request') as ((
    request: IncomingMessage,
    response: ServerResponse,
  ) => void)[]
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if (!answered(request, response, options)) for (const each of ordinary) each(request, response)
  })
}

/** Whether it was answered: if not, nothing was done. */
function answered(request: IncomingMessage, response: ServerResponse, options: LeanOptions): boolean {
  const began = performance.now()
  const id = request.method === 'GET' ? idOf(request.url!) : undefined
  if (id === undefined || !isPlain(request) || options.closing()) return false
  const { ports, security, times, requestId } = options
  if (security !== undefined && !mayLookUp(request, security)) return false
  let json: string | undefined
  try {
    json = ports.lookUpJson(id)
  } catch {
    return false // the route comes upon the same, and says so
  }
  if (json === undefined) return false
  const stale = staleHeaders(ports)
  const length = String(Buffer.byteLength(json))
  response.writeHead(200, [...fixed, ...stale, requestIdHeader, requestId(request), 'content-length', length])
  response.end(json)
  times.observe(200, performance.now() - began)
  return true
}

/** The user id of a path that is the lookup's; undefined for any other, and for what is no id. */
function idOf(url: string): string | undefined {
  if (!url.startsWith(before) || !url.endsWith(after)) return undefined
  const part = url.slice(before.length, -after.length)
  if (!plainId.test(part)) return undefined
  const id = part.includes('%') ? decoded(part) : part
  return id === undefined || idProblem(id) !== undefined ? undefined : id
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

function isPlain({ headers, httpVersionMinor }: IncomingMessage): boolean {
  if (httpVersionMinor === 1 && headers.host === undefined) return false
  for (const name of special) if (headers[name] !== undefined) return false
  return true
}

/** By the rules of the route, where no rate is limited. */
function mayLookUp(
  { headers }: IncomingMessage,
  { required, find, requestsPerSecond }: SecurityOptions,
): boolean {
  if (requestsPerSecond > 0) return false
  const token = tokenOf(headers, find)
  if (token === undefined) return !required()
  return token.scopes.includes('lookup') || token.scopes.includes('admin')
}
