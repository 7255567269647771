// The persona set with its sizes, who holds a persona, and who buys a product.
import type { FastifyPluginAsync } from 'fastify'
import { decodePlace } from '../lookup/audience.ts'
import type { LookupPorts } from './app.ts'
import { operations } from './operations.ts'
import { ProblemError } from './problem.ts'
import { route } from './route.ts'

export const audienceRoutes: FastifyPluginAsync<{ ports: LookupPorts }> = async (app, { ports }) => {
  route(app, operations.getPersonaSet, () => ports.personaSet())

  route(app, operations.getAudience, async ({ params, query }) => {
    const after = query.after === undefined ? undefined : decodePlace(query.after)
    if (query.after !== undefined && after === undefined)
      throw new ProblemError({
        status: 400,
        title: 'bad cursor',
        detail: 'after is not what `next` of a page said: hand that in as it is, or begin without',
      })
    const page = await ports.audience(params.name, { after, limit: query.limit })
    if (page === undefined)
      throw new ProblemError({
        status: 404,
        title: 'no such persona',
        detail: 'the active persona set has no persona of this name: GET /v1/personas has all of them',
        persona: params.name,
      })
    return page
  })

  route(app, operations.getProduct, ({ params }) => {
    const product = ports.product(params.id)
    if (product === undefined)
      throw new ProblemError({
        status: 404,
        title: 'product never seen',
        detail: 'no event of this product has been applied',
        product_id: params.id,
      })
    return product
  })
}
