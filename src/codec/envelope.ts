// Codec of envelopes: what a Kafka record is beside its value ↔ JSON, kept with a record in quarantine.
import type { Envelope } from './kafka-value.ts'

export function encodeEnvelope({ key, headers, ...rest }: Envelope): string {
  return JSON.stringify({
    ...rest,
    key: key === null ? null : base64(key),
    headers: headers.map(([name, value]) => [name, base64(value)]),
  })
}

export function decodeEnvelope(json: string): Envelope {
  const { key, headers, ...rest } = JSON.parse(json) as Omit<Envelope, 'key' | 'headers'> & {
    key: string | null
    headers: [string, string][]
  }
  return {
    ...rest,
    key: key === null ? null : Buffer.from(key, 'base64'),
    headers: headers.map(([name, value]) => [name, Buffer.from(value, 'base64')] as const),
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
