// /metrics, for Prometheus: how right the answers are on held-out labels, and the fit that they come from.
import type { FastifyPluginAsync } from 'fastify'
import { Gauge, Registry } from 'prom-client'
import type { IngestPorts } from './app.ts'

/** What the truth meter says: quality on held-out labels, absent without any. */
export type Truth = {
  readonly epoch: number
  readonly quality:
    | {
        readonly micro_f1: number
        readonly macro_f1: number
        readonly macro_auc: number
        readonly ece: number
        readonly brier: number
        readonly coverage: number
        readonly users: number
      }
    | undefined
}

const gauges = {
  micro_f1: 'micro-F1 of the held sets of held-out labelled users',
  macro_f1: 'mean F1 over personas of held-out labelled users',
  macro_auc: 'mean AUC over personas of held-out labelled users',
  ece: 'expected calibration error of probabilities on held-out labelled users',
  brier: 'Brier score of probabilities on held-out labelled users',
  coverage: 'share of held-out labelled users that are answered',
  users: 'held-out labelled users that the truth is measured on',
} as const satisfies Record<keyof NonNullable<Truth['quality']>, string>

export const metricsRoutes: FastifyPluginAsync<{ ports: Pick<IngestPorts, 'truth'> }> = async (
  app,
  { ports },
) => {
  app.get('/metrics', async (_request, reply) => {
    const registry = registryOf(ports.truth())
    return reply.type(registry.contentType).send(await registry.metrics())
  })
}

/** A registry for one scrape: what is not known is not there, rather than a zero. */
function registryOf({ epoch, quality }: Truth): Registry {
  const registry = new Registry()
  const set = (name: string, help: string, value: number) =>
    new Gauge({ name, help, registers: [registry] }).set(value)
  set('kindred_calibration_epoch', 'number of the fit that users are answered by, 0 before the first', epoch)
  if (quality !== undefined)
    for (const [name, help] of Object.entries(gauges))
      set(`kindred_truth_${name}`, help, quality[name as keyof typeof quality])
  return registry
}
