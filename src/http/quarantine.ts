// Quarantine: records that could not be applied, and another try for one.
import type { FastifyPluginAsync } from 'fastify'
import type { QuarantinedRecord } from '../store/port.ts'
import type { IngestPorts } from './app.ts'
import { operations } from './operations.ts'
import { ProblemError } from './problem.ts'
import { route } from './route.ts'
import type { QuarantinePage } from './schemas.ts'

/** A record's first bytes, as a page shows them. */
const shownBytes = 2000
/** Records may have megabytes: a page reads no more than this of them, in steps. */
const pageBytesMax = 16 * 1024 * 1024
const stepRecords = 4

export const quarantineRoutes: FastifyPluginAsync<{ ports: IngestPorts }> = async (app, { ports }) => {
  route(app, operations.getQuarantine, ({ query }) => pageOf(ports, query))

  route(app, operations.replayQuarantined, async ({ params, reply }) => {
    const receipt = await ports.requeue(params.id)
    if (receipt === undefined)
      throw new ProblemError({
        status: 404,
        title: 'not in quarantine',
        detail: `no record ${params.id} is in quarantine (or it was released already): GET /v1/quarantine lists them`,
      })
    return reply.code(receipt.tried ? 200 : 202).send(receipt)
  })
}

function pageOf(
  { quarantined }: Pick<IngestPorts, 'quarantined'>,
  { from, limit }: { from: number; limit: number },
): QuarantinePage {
  const records: QuarantinedRecord[] = []
  let bytes = 0
  let next: number | null = from
  while (next !== null && records.length < limit && bytes < pageBytesMax) {
    const wanted = Math.min(stepRecords, limit - records.length)
    const step = quarantined(next, wanted)
    records.push(...step)
    bytes += step.reduce((sum, record) => sum + record.bytes.length, 0)
    next = step.length < wanted ? null : step.at(-1)!.id + 1
  }
  return { records: records.map(shown), next }
}

function shown({ id, source, offset, cause, bytes }: QuarantinedRecord): QuarantinePage['records'][number] {
  const text = Buffer.from(bytes.subarray(0, shownBytes)).toString('utf8')
  return { id, source, position: offset, cause, size: bytes.length, text }
}
