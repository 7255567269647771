// Problem details (RFC 9457): the one form of every error that the API answers with.
import type { FastifyReply } from 'fastify'
import type { FeedGone } from '../lookup/change-feed.ts'

export type Problem = {
  readonly status: number
  readonly title: string
  /** What happened here and what to do about it. */
  readonly detail: string
  readonly [extension: string]: unknown
}

/** Thrown by a handler: the request is answered with this problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }
}

/** Sends the problem with the id of its request, by which the log speaks of it. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send({ type: 'about:blank', ...problem, request_id: reply.request.id })
}

/** Of a user that no lookup knows. */
export function neverSeen(userId: string): Problem {
  return {
    status: 404,
    title: 'user never seen',
    detail: 'no event or label of this user has been applied (or the user was erased)',
    user_id: userId,
  }
}

/** What lies behind a cursor is gone, or the cursor is of another feed. */
export function goneProblem({ oldest, newest }: FeedGone): Problem {
  return {
    status: 410,
    title: 'cursor gone',
    detail: `cursors from ${oldest} to ${newest} work: changes before them are not kept any more (KINDRED_CHANGES_RETENTION), and none have come after; read the answers anew and go on from ${newest}`,
    oldest,
    newest,
  }
}
