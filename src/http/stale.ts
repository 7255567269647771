// Says on an answer that ingest is behind or down: what it shows may be older than what was accepted.
import type { FastifyReply } from 'fastify'
import type { StatusPorts } from './app.ts'

/** Answers that are further behind than this say so, ms. */
export const staleMs = 2_000

type Ports = Pick<StatusPorts, 'behindMs' | 'ingestProblem'>
const none: readonly string[] = []

/** Names and values of the headers that say so, in turn; none where all is well. */
export function staleHeaders(ports: Ports): readonly string[] {
  const behind = ports.behindMs()
  const down = ports.ingestProblem() !== undefined
  if (!down && behind < staleMs) return none
  return ['age', String(Math.round(behind / 1000)), 'x-kindred-stale', down ? 'down' : 'behind']
}

/** The same as of a millisecond ago at most: thousands of lookups a second ask. `now` is ms of a clock that is never set. */
export function recentStaleHeaders(ports: Ports): (now: number) => readonly string[] {
  let asked = Number.NEGATIVE_INFINITY
  let headers = none
  return (now) => {
    if (now - asked < 1) return headers
    asked = now
    headers = staleHeaders(ports)
    return headers
  }
}

export function markStale(reply: FastifyReply, ports: Ports): void {
  const headers = staleHeaders(ports)
  for (let i = 0; i < headers.length; i += 2) reply.header(headers[i]!, headers[i + 1])
}
