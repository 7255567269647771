// Says on an answer that ingest is behind or down: what it shows may be older than what was accepted.
import type { FastifyReply } from 'fastify'
import type { StatusPorts } from './app.ts'

/** Answers that are further behind than this say so, ms. */
export const staleMs = 2_000

export function markStale(reply: FastifyReply, ports: Pick<StatusPorts, 'behindMs' | 'ingestProblem'>): void {
  const behind = ports.behindMs()
  const down = ports.ingestProblem() !== undefined
  if (!down && behind < staleMs) return
  reply.header('age', String(Math.round(behind / 1000)))
  reply.header('x-kindred-stale', down ? 'down' : 'behind')
}
