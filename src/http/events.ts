// POST /v1/events: one event, an array, or NDJSON; all of it is taken and on disk before it is acknowledged, or none.
import { isUtf8 } from 'node:buffer'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { decodeEvent } from '../codec/event.ts'
import { InvalidRecordError, messageOf } from '../errors.ts'
import { finish, type Sliced, Slices } from '../lookup/slices.ts'
import type { IngestPorts, StatusPorts } from './app.ts'
import { eventsProblem, tooManyEvents } from './json-body.ts'
import { sendProblem } from './problem.ts'
import { eventsMax } from './schemas.ts'

type Ports = Pick<IngestPorts & StatusPorts, 'append' | 'backlog'>

const json = { kind: 'json' } as const
/** Problems named in one answer. */
const problemsShown = 20
/** So many are validated at once; more in slices between other requests, with pauses after some. */
const fewEvents = 256
const fewBytes = 256 * 1024
const stepEvents = 32
/** What a client is asked to wait when the log is full or cannot be written, seconds. */
const retryAfterSeconds = 1
const retryAfterFailureSeconds = 10

type Options = { readonly ports: Ports; readonly bodyBytesMax: number }

export const eventRoutes: FastifyPluginAsync<Options> = async (app, { ports, bodyBytesMax }) => {
  app.removeAllContentTypeParsers()
  for (const type of ['application/json', 'application/x-ndjson', 'application/ndjson'])
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  const slices = new Slices()
  app.addHook('onClose', async () => slices.close())
  app.post('/v1/events', { bodyLimit: bodyBytesMax }, async (request, reply) => {
    const body = request.body
    if (!Buffer.isBuffer(body) || body.length === 0)
      return refuse(reply, 'the body is empty: send one event, an array, or NDJSON')
    if (!isUtf8(body)) return refuse(reply, 'the body is not valid UTF-8')
    const ndjson = request.headers['content-type']?.toLowerCase().includes('ndjson') === true
    const problem = eventsProblem(body, { lines: ndjson })
    if (problem !== undefined) return refuse(reply, problem)
    const split = ndjson ? linesOf(body) : valuesOf(body)
    if (typeof split === 'string') return refuse(reply, split)
    if (split.length === 0) return refuse(reply, 'there is no event in the body')
    if (split.length > eventsMax) return refuse(reply, tooManyEvents)
    const work = recordsOf(split, ndjson ? String : textOf)
    const { records, problems } = await (split.length > fewEvents || body.length > fewBytes
      ? slices.run(work)
      : finish(work))
    if (problems.length > 0)
      return sendProblem(reply, {
        status: 400,
        title: 'events not valid',
        detail: `${problems.length} of ${split.length} events are not valid, and none was taken: mend or drop them and send the rest again`,
        problems: problems.slice(0, problemsShown),
      })
    return take(reply, records, ports)
  })
}

async function take(reply: FastifyReply, records: readonly Buffer[], ports: Ports): Promise<FastifyReply> {
  const { full, records: waiting } = ports.backlog()
  if (full) {
    reply.header('retry-after', retryAfterSeconds)
    return sendProblem(reply, {
      status: 503,
      title: 'backlog full',
      detail: `${waiting} events wait to be applied: send these again after ${retryAfterSeconds} s`,
    })
  }
  try {
    const { first, next } = await ports.append({ format: json, records })
    return reply.code(202).send({ accepted: records.length, first_position: first, next_position: next })
  } catch (error) {
    reply.log.error(error)
    reply.header('retry-after', retryAfterFailureSeconds)
    return sendProblem(reply, {
      status: 503,
      title: 'not stored',
      detail: `the events could not be written to disk (${messageOf(error)}): none was taken; send them again later`,
    })
  }
}

function refuse(reply: FastifyReply, detail: string): FastifyReply {
  return sendProblem(reply, { status: 400, title: 'events not readable', detail })
}

function linesOf(body: Buffer): string[] {
  return body
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** The values of a JSON body; a sentence when it is not JSON. */
function valuesOf(body: Buffer): unknown[] | string {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return Array.isArray(value) ? value : [value]
  } catch (error) {
    // without the text around it, which the parser would quote
    const place = /at position \d+/.exec(messageOf(error))?.[0]
    return `the body is not JSON${place === undefined ? '' : ` ${place}`} (for NDJSON, send content-type application/x-ndjson)`
  }
}

type Records = {
  readonly records: Buffer[]
  readonly problems: { readonly index: number; readonly cause: string }[]
}

/** Each event as a record of the log, and what is wrong with those that are none; `given` are lines, or values of JSON. */
function* recordsOf(given: readonly unknown[], textOf: (value: unknown) => string): Sliced<Records> {
  const found: Records = { records: [], problems: [] }
  for (const [index, value] of given.entries()) {
    if (index % stepEvents === stepEvents - 1) yield
    try {
      const text = textOf(value)
      decodeEvent(text, json)
      found.records.push(Buffer.from(text))
    } catch (error) {
      if (!(error instanceof InvalidRecordError)) throw error
      found.problems.push({ index, cause: error.message })
    }
  }
  return found
}

/** The value as text, which has null for a number that is too great to be one. */
function textOf(value: unknown): string {
  if (typeof value === 'object' && value !== null)
    for (const [name, field] of Object.entries(value))
      if (typeof field === 'number' && !Number.isFinite(field))
        throw new InvalidRecordError(`${name} is too great a number`)
  return JSON.stringify(value)
}
