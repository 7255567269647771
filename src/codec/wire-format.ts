// Confluent wire format: byte 0, the schema's id as int32 big-endian, the Avro body.

/** Bytes in front of the body. */
export const wireHeaderBytes = 5

const magic = 0

export function wireFormat(schemaId: number, body: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(wireHeaderBytes + body.length)
  value[0] = magic
  value.writeInt32BE(schemaId, 1)
  value.set(body, wireHeaderBytes)
  return value
}

/** The id of the schema that a value in wire format was written with; undefined when it is not in wire format. */
export function schemaIdOf(bytes: Uint8Array): number | undefined {
  if (bytes.length < wireHeaderBytes || bytes[0] !== magic) return undefined
  return (bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!
}
