// Problem details (RFC 9457): the one form of every error that the API answers with.
import type { FastifyReply } from 'fastify'

export type Problem = {
  readonly status: number
  readonly title: string
  /** What happened here and what to do about it. */
  readonly detail: string
  readonly [extension: string]: unknown
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send({ type: 'about:blank', ...problem })
}
