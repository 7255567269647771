// What is sent to Kafka of a change event: the event keyed by its user, the current answer, or the tombstone of an erased
// one; as JSON, or as Avro in Confluent wire format. Headers by CloudEvents 1.0, binary content mode.
import type { IHeaders, Message } from 'kafkajs'
import { answerOf, encodeAnswerAvro, encodeChangeAvro } from '../codec/change-avro.ts'
import type { ChangeEvent } from '../codec/change-event.ts'
import { wireFormat } from '../codec/wire-format.ts'
import type { ErasureRow } from '../store/port.ts'

/** Ids of the registered schemas, and where they can be read. */
export type RegisteredSchemas = {
  readonly changeId: number
  readonly answerId: number
  readonly url: string
}

export type MessageOptions = {
  /** CloudEvents source: a URI reference of this installation. */
  readonly source: string
  /** Avro by these schemas; undefined: JSON. */
  readonly schemas: RegisteredSchemas | undefined
}

const changeType = 'com.kindred.persona-change.v1'
const answerType = 'com.kindred.persona-answer.v1'
const jsonType = 'application/json'
const avroType = 'application/vnd.confluent.avro'

/** `json` is the event as the outbox has it. */
export function changeMessage(
  change: ChangeEvent,
  json: string,
  { source, schemas }: MessageOptions,
): Message {
  return {
    key: change.user_id,
    value: schemas === undefined ? json : wireFormat(schemas.changeId, encodeChangeAvro(change)),
    headers: headersOf(change, { type: changeType, source, schemas, id: schemas?.changeId }),
  }
}

export function answerMessage(change: ChangeEvent, { source, schemas }: MessageOptions): Message {
  const answer = answerOf(change)
  return {
    key: change.user_id,
    value:
      schemas === undefined ? JSON.stringify(answer) : wireFormat(schemas.answerId, encodeAnswerAvro(answer)),
    headers: headersOf(change, { type: answerType, source, schemas, id: schemas?.answerId }),
  }
}

/** A compacted topic forgets the user by it. */
export function tombstoneOf({ userId }: ErasureRow): Message {
  return { key: userId, value: null }
}

function headersOf(
  change: ChangeEvent,
  {
    type,
    source,
    schemas,
    id,
  }: { type: string; source: string; schemas: RegisteredSchemas | undefined; id: number | undefined },
): IHeaders {
  return {
    ce_specversion: '1.0',
    ce_id: change.event_id,
    ce_type: type,
    ce_source: source,
    ce_subject: change.user_id,
    ce_time: change.occurred_at,
    ...(schemas === undefined ? {} : { ce_dataschema: `${schemas.url}/schemas/ids/${id}` }),
    'content-type': schemas === undefined ? jsonType : avroType,
  }
}
