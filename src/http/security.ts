// Who may call what: a bearer token of the scope that the route needs, so many requests a second by token; before any handler
// and any body.
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { sendProblem } from './problem.ts'
import type { Scope, StoredToken } from './tokens.ts'

export type SecurityOptions = {
  /** Whether a request has to bring a token: asked at each, for the first token may come while this runs. */
  readonly required: () => boolean
  /** The token that an Authorization header brings; undefined for none of ours. */
  readonly find: (authorization: string) => StoredToken | undefined
  /** Requests a second by one token (or by everybody without tokens); 0: as many as come. */
  readonly requestsPerSecond: number
  readonly now: () => number
}

/** Routes that anybody may ask: whether the process lives, and what the API is. */
const open = new Set(['/healthz', '/readyz', '/openapi.json', '/docs'])
const ingestRoutes = new Set(['POST /v1/events'])
const lookupPosts = new Set(['POST /v1/users/personas', 'POST /v1/users/openrtb'])
/** Below these, reading needs admin as well. */
const adminRoots = ['/v1/webhooks', '/v1/quarantine']

/** The scope that a route needs; undefined for none. What is not named needs admin, so that a new route is never open. */
export function scopeOf(method: string, url: string): Scope | undefined {
  if (open.has(url)) return undefined
  const reads = method === 'GET' || method === 'HEAD'
  if (adminRoots.some((root) => url === root || url.startsWith(`${root}/`))) return 'admin'
  if (ingestRoutes.has(`${method} ${url}`)) return 'ingest'
  return reads || lookupPosts.has(`${method} ${url}`) ? 'lookup' : 'admin'
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What `scopeOf` says of the route, asked once. */
    scope?: Scope | undefined
  }
}

/** Checks every request of `app` before its body is read. */
export function secure(
  app: FastifyInstance,
  { required, find, requestsPerSecond, now }: SecurityOptions,
): void {
  const rates = new Rates(requestsPerSecond, now)
  app.addHook('onRoute', (route) => {
    const { method, url } = route
    route.config = { ...route.config, scope: scopeOf(String(method), url) }
  })
  app.addHook('onRequest', (request, reply, done) => {
    const { routed } = request
    const known = 'scope' in routed
    const scope = known ? routed.scope : 'admin'
    if (scope === undefined) return done()
    const { authorization } = request.headers
    const token = authorization === undefined ? undefined : find(authorization)
    if (token === undefined && required()) return void refuse(reply)
    if (token === undefined && !isFromThisMachine(request.headers)) return void misdirect(reply)
    if (token !== undefined && known && !token.scopes.includes(scope) && !token.scopes.includes('admin'))
      return void forbid(reply, { token, scope })
    const waitMs = rates.take(token?.id ?? '')
    if (waitMs > 0) return void slow(reply, waitMs)
    done()
  })
}

/**
 * Whether a request names this machine, and no page of elsewhere has sent it. Where no token is asked for, which is on
 * loopback, nothing else keeps out pages that a browser here has open: one whose own name was made to lead here (DNS
 * rebinding), or one that posts across origins without reading the answer.
 */
export function isFromThisMachine({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (host !== undefined && !thisMachine.test(host)) return false
  if (origin !== undefined && !thisMachine.test(origin.replace(/^https?:\/\//i, ''))) return false
  return site !== 'cross-site'
}

const thisMachine =
  /^(?:(?:[\w-]+\.)*localhost\.?|ip6-localhost|127\.\d+\.\d+\.\d+|\[(?:::1|0:0:0:0:0:0:0:1|::ffff:127\.\d+\.\d+\.\d+)\])(?::\d*)?$/i

function misdirect(reply: FastifyReply) {
  return sendProblem(reply, {
    status: 421,
    title: 'not for others',
    detail:
      'without tokens this service answers to the names of its own machine, and to no page of another: make a token with `kindred tokens add` and send it as `authorization: Bearer …`',
  })
}

function refuse(reply: FastifyReply) {
  reply.header('www-authenticate', 'Bearer realm="kindred"')
  return sendProblem(reply, {
    status: 401,
    title: 'no token',
    detail: 'send `authorization: Bearer …` with a token of this service; `kindred tokens add` makes one',
  })
}

function forbid(reply: FastifyReply, { token, scope }: { token: StoredToken; scope: Scope }) {
  reply.header('www-authenticate', `Bearer realm="kindred", error="insufficient_scope", scope="${scope}"`)
  return sendProblem(reply, {
    status: 403,
    title: 'scope lacking',
    detail: `this needs a token of scope ${scope}; “${token.name}” has ${token.scopes.join(', ')}`,
  })
}

function slow(reply: FastifyReply, waitMs: number) {
  reply.header('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))))
  return sendProblem(reply, {
    status: 429,
    title: 'too many requests',
    detail: 'more requests a second than this token may make (KINDRED_RATE_LIMIT): wait as Retry-After says',
  })
}

/** A bucket a token, filled at the rate and holding one second of it (generic cell rate algorithm: one number a token). */
class Rates {
  readonly #everyMs: number
  readonly #now: () => number
  /** When the bucket is full again. */
  readonly #full = new Map<string, number>()

  constructor(perSecond: number, now: () => number) {
    this.#everyMs = perSecond === 0 ? 0 : 1000 / perSecond
    this.#now = now
  }

  /** Takes one; how long to wait if there is none, ms. */
  take(key: string): number {
    if (this.#everyMs === 0) return 0
    const now = this.#now()
    const full = Math.max(this.#full.get(key) ?? 0, now) + this.#everyMs
    const waitMs = full - now - Math.max(1000, this.#everyMs)
    if (waitMs > 1e-6) return waitMs
    this.#full.set(key, full)
    return 0
  }
}
