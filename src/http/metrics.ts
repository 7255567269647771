// /metrics, for Prometheus.
import type { FastifyPluginAsync } from 'fastify'
import type { Metrics } from '../metrics/registry.ts'

export const metricsRoutes: FastifyPluginAsync<{ metrics: Metrics }> = async (app, { metrics }) => {
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.contentType)
    return metrics.text()
  })
}
