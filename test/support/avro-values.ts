// Events as a producer would write them in Avro: Confluent wire format, by our own schema of them or by another.
import avsc from 'avsc'
import { eventSchema } from '../../src/codec/kafka-value.ts'
import { wireFormat } from '../../src/codec/wire-format.ts'

export { eventSchema } from '../../src/codec/kafka-value.ts'

const eventType = avsc.Type.forSchema(JSON.parse(eventSchema) as avsc.Schema)

/** One event (a line of JSON) in Avro, in the wire format of the schema's id. */
export function avroValue(id: number, line: string): Buffer {
  const event = JSON.parse(line) as Record<string, unknown> & { ts: string }
  const { event_id, user_id, product_id, type, quantity, price, ts, title, category } = event
  return wireFormat(
    id,
    eventType.toBuffer({
      event_id,
      user_id,
      product_id,
      type,
      quantity: quantity ?? 1,
      price: price ?? null,
      ts: Date.parse(ts),
      title: title ?? null,
      category: category ?? null,
    }),
  )
}

/** The event that `avroValue` wrote. */
export function eventOfAvro(value: Buffer): object {
  return { ...(eventType.fromBuffer(value.subarray(5)) as object) }
}
