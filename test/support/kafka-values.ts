// Values of a Kafka topic for tests: the golden event as bytes, what it says, and codecs by few words.
import assert from 'node:assert/strict'
import {
  createValueCodec,
  type Envelope,
  parseMappings,
  type ValueCodecOptions,
} from '../../src/codec/kafka-value.ts'
import { wireFormat } from '../../src/codec/wire-format.ts'
import { InvalidRecordError } from '../../src/errors.ts'
import { written } from './avro-schemas.ts'
import { avroGolden } from './golden-avro.ts'

export const { value: event, hex } = avroGolden.purchase_event
export const body = Buffer.from(hex, 'hex')
export const expected = {
  eventId: event.event_id,
  userId: event.user_id,
  productId: event.product_id,
  type: event.type,
  quantity: event.quantity,
  ts: event.ts,
  title: event.title,
  category: undefined,
}
export const envelope: Envelope = {
  topic: 'purchase-events',
  partition: 2,
  offset: 41,
  timestamp: 1735689600000,
  key: Buffer.from('the key'),
  nullValue: false,
  headers: [],
}

export function codecOf(options: Partial<ValueCodecOptions> & { readonly mapping?: string } = {}) {
  const mappings = parseMappings(options.mapping ?? '')
  return createValueCodec({
    value: 'auto',
    registry: 'http://r',
    localSchema: undefined,
    mappings,
    ...options,
  })
}

/** Decodes an Avro body that was written with this schema, in wire format. */
export function decoded(schema: string, value: unknown, mapping = '', around: Partial<Envelope> = {}) {
  const codec = codecOf({ mapping })
  return codec.decode(wireFormat(7, written(schema, value)), { ...envelope, ...around }, (key) =>
    key === 'http://r#7' ? schema : undefined,
  )
}

export function refuses(act: () => unknown, says: RegExp, what?: string) {
  assert.throws(
    act,
    (error) => {
      assert.ok(error instanceof InvalidRecordError, String(error))
      assert.match(error.message, says)
      return true
    },
    what,
  )
}
