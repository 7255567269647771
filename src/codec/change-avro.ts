// Codec of what goes out in Avro: a change event and a user's current answer ↔ Avro bodies by schemas/*.avsc.
import { readFileSync } from 'node:fs'
import type avsc from 'avsc'
import { InvalidRecordError, messageOf } from '../errors.ts'
import { parseReaderSchema, readAvro } from './avro-type.ts'
import type { ChangeEvent } from './change-event.ts'

/** The current answer of a user, as the compacted topic carries it; `event_id` names the change that made it so. */
export type PersonaAnswerEvent = {
  readonly user_id: string
  readonly status: string
  readonly personas: readonly { persona: string; probability: number }[]
  readonly primary: string | null
  readonly sequence: number
  readonly occurred_at: string
  readonly prototype_set_version: number
  readonly event_id: string
}

/** JSON text of the schemas, to be registered; with defaults and documentation, on one line. */
export const changeSchema = schemaText('persona-change')
export const answerSchema = schemaText('persona-answer')

const changeType = parseReaderSchema(changeSchema)
const answerType = parseReaderSchema(answerSchema)

export function encodeChangeAvro(change: ChangeEvent): Buffer {
  return changeType.toBuffer({ ...change, occurred_at: Date.parse(change.occurred_at) })
}

export function encodeAnswerAvro(answer: PersonaAnswerEvent): Buffer {
  return answerType.toBuffer({ ...answer, occurred_at: Date.parse(answer.occurred_at) })
}

/** Reads a body that was written with our schema, or with `writerSchema` (JSON) of another version. Throws InvalidRecordError. */
export function decodeChangeAvro(bytes: Uint8Array, writerSchema?: string): ChangeEvent {
  return plain(read(changeType, { bytes, writerSchema })) as ChangeEvent
}

/** As `decodeChangeAvro`, for answers. */
export function decodeAnswerAvro(bytes: Uint8Array, writerSchema?: string): PersonaAnswerEvent {
  return plain(read(answerType, { bytes, writerSchema })) as PersonaAnswerEvent
}

/** What the user is answered with after this change. */
export function answerOf(change: ChangeEvent): PersonaAnswerEvent {
  return {
    user_id: change.user_id,
    status: change.status,
    personas: change.personas,
    primary: change.primary,
    sequence: change.sequence,
    occurred_at: change.occurred_at,
    prototype_set_version: change.prototype_set_version,
    event_id: change.event_id,
  }
}

type Millis = { readonly occurred_at: number }

function read(
  type: avsc.Type,
  { bytes, writerSchema }: { bytes: Uint8Array; writerSchema: string | undefined },
): Millis {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  try {
    const resolver =
      writerSchema === undefined
        ? undefined
        : type.createResolver(parseReaderSchema(writerSchema), { ignoreNamespaces: true })
    return readAvro(type, { bytes: buffer, start: 0, resolver }) as Millis
  } catch (error) {
    throw new InvalidRecordError(`not a value of ${type.name}: ${messageOf(error)}`, { cause: error })
  }
}

/** avsc's records are instances of classes of its own: plain objects from here on. */
function plain(value: Millis): unknown {
  const time = new Date(value.occurred_at)
  if (Number.isNaN(time.getTime()))
    throw new InvalidRecordError(
      `occurred_at ${value.occurred_at} is no time that can be written in ISO 8601`,
    )
  return JSON.parse(JSON.stringify({ ...value, occurred_at: time.toISOString() }))
}

function schemaText(name: string): string {
  const file = new URL(`../../../schemas/${name}.avsc`, import.meta.url)
  return JSON.stringify(JSON.parse(readFileSync(file, 'utf8')))
}
