// What is known of one user beside the answer: why it is so, and what changed.
import type { FastifyPluginAsync } from 'fastify'
import { explanationGexf, explanationGraph } from '../lookup/explanation-graph.ts'
import type { LookupPorts } from './app.ts'
import { operations } from './operations.ts'
import { neverSeen, ProblemError } from './problem.ts'
import { route } from './route.ts'

export const userRoutes: FastifyPluginAsync<{ ports: LookupPorts }> = async (app, { ports }) => {
  route(app, operations.getExplanation, async ({ params, query, reply }) => {
    const explanation = await ports.explain(params.id)
    if (explanation === undefined) throw new ProblemError(neverSeen(params.id))
    if (query.format === 'json') return explanation
    const graph = explanationGraph(explanation)
    if (query.format === 'graph') return graph.export()
    return reply.type('application/gexf+xml; charset=utf-8').send(explanationGexf(graph))
  })

  route(app, operations.getUserChanges, async ({ params, query, reply }) => {
    const page = await ports.userChanges(params.id, query)
    if (page === undefined) throw new ProblemError(neverSeen(params.id))
    return reply.type('application/json; charset=utf-8').send(changePage(page))
  })
}

/** A page of change events, which are JSON already. */
export function changePage({
  changes,
  cursor,
  more,
}: {
  changes: readonly string[]
  cursor: number
  more: boolean
}): string {
  return `{"changes":[${changes.join(',')}],"cursor":${cursor},"more":${more}}`
}
