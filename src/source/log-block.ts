// Blocks of the embedded log: many records in one value, so that appending and reading cost little a record.
import { isAscii, isUtf8 } from 'node:buffer'
import type { RecordFormat } from '../codec/event.ts'
import type { RecordRef } from '../core/event.ts'
import type { SourceRecord } from './port.ts'

/** Records to append: `source` and `refOffsets` say where they came from; without, the log itself is their source. */
export type BlockInput = {
  readonly format: RecordFormat
  readonly source?: string
  readonly records: readonly Uint8Array[]
  readonly refOffsets?: readonly number[]
}

/** A block as the log stores it, and the number of its records. Its bytes are the whole of their buffer. */
export type EncodedBlock = { readonly bytes: Uint8Array; readonly count: number }

export function encodedBlock(block: BlockInput): EncodedBlock {
  return { bytes: encodeBlock(block), count: block.records.length }
}

type Header = { readonly format: RecordFormat; readonly source?: string; readonly erased?: readonly number[] }

/** u32 header length, header JSON, u32 count, count × (f64 ref offset, u32 end of the record's bytes), bytes. */
export function encodeBlock(
  { format, source, records, refOffsets }: BlockInput,
  erased?: readonly number[],
): Buffer {
  const header: Header = {
    format,
    ...(source === undefined ? {} : { source }),
    ...(erased === undefined ? {} : { erased }),
  }
  const json = Buffer.from(JSON.stringify(header))
  const payload = records.reduce((sum, record) => sum + record.length, 0)
  const block = Buffer.allocUnsafeSlow(8 + json.length + records.length * 12 + payload)
  block.writeUInt32LE(json.length, 0)
  json.copy(block, 4)
  let at = 4 + json.length
  block.writeUInt32LE(records.length, at)
  at += 4
  let bytes = at + records.length * 12
  let end = 0
  for (const [i, record] of records.entries()) {
    end += record.length
    block.writeDoubleLE(refOffsets?.[i] ?? -1, at)
    block.writeUInt32LE(end, at + 8)
    at += 12
    block.set(record, bytes)
    bytes += record.length
  }
  return block
}

/** The records of a block whose first offset is `first`; `block` must not change afterwards. */
export function decodeBlock(
  block: Buffer,
  { first, logName }: { first: number; logName: string },
): SourceRecord[] {
  const headerEnd = 4 + block.readUInt32LE(0)
  const header = JSON.parse(block.toString('utf8', 4, headerEnd)) as Header
  const count = block.readUInt32LE(headerEnd)
  const entries = headerEnd + 4
  const payload = entries + count * 12
  const allAscii = isAscii(block.subarray(payload))
  const allWellFormed = allAscii || isUtf8(block.subarray(payload))
  const erased = new Set(header.erased)
  const records: SourceRecord[] = []
  let start = payload
  for (let i = 0; i < count; i++) {
    const end = payload + block.readUInt32LE(entries + i * 12 + 8)
    const refOffset = block.readDoubleLE(entries + i * 12)
    const offset = first + i
    records.push(
      new LogRecord(
        block,
        { from: start, to: end },
        {
          offset,
          ref: { source: header.source ?? logName, offset: refOffset >= 0 ? refOffset : offset },
          format: erased.has(i) ? { kind: 'erased' } : header.format,
          text: block.toString(allAscii ? 'latin1' : 'utf8', start, end),
          wellFormed: (allWellFormed && isCut(block, start, end)) || isUtf8(block.subarray(start, end)),
        },
      ),
    )
    start = end
  }
  return records
}

/** Whether a record lies between characters of well-formed text: two halves of one character make it whole together. */
function isCut(text: Buffer, from: number, to: number): boolean {
  return !isContinuation(text[from]) && !isContinuation(text[to])
}

function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80
}

/** A record of a block, whose bytes are copied only when they are asked for. */
class LogRecord implements SourceRecord {
  readonly offset: number
  readonly ref: RecordRef
  readonly format: RecordFormat
  readonly text: string
  readonly wellFormed: boolean
  readonly #block: Buffer
  readonly #from: number
  readonly #to: number

  constructor(
    block: Buffer,
    { from, to }: { from: number; to: number },
    { offset, ref, format, text, wellFormed }: Omit<SourceRecord, 'bytes'>,
  ) {
    this.offset = offset
    this.ref = ref
    this.format = format
    this.text = text
    this.wellFormed = wellFormed
    this.#block = block
    this.#from = from
    this.#to = to
  }

  bytes(): Uint8Array {
    return Buffer.from(this.#block.subarray(this.#from, this.#to))
  }
}

/** The number of records of a block, without decoding them. */
export function blockCount(block: Buffer): number {
  return block.readUInt32LE(4 + block.readUInt32LE(0))
}

/** A block without the bytes of the records that `erase` picks; undefined when it picks none. */
export function scrubBlock(
  block: Buffer,
  at: { first: number; logName: string },
  erase: (record: SourceRecord) => boolean,
): Buffer | undefined {
  const header = JSON.parse(block.toString('utf8', 4, 4 + block.readUInt32LE(0))) as Header
  const records = decodeBlock(block, at)
  const erased = records.flatMap((record, i) => (record.format.kind === 'erased' || erase(record) ? [i] : []))
  if (erased.length === (header.erased?.length ?? 0)) return undefined
  const gone = new Set(erased)
  const empty = new Uint8Array(0)
  return encodeBlock(
    {
      format: header.format,
      ...(header.source === undefined ? {} : { source: header.source }),
      records: records.map((record, i) => (gone.has(i) ? empty : record.bytes())),
      refOffsets: records.map(({ ref }) => (header.source === undefined ? -1 : ref.offset)),
    },
    erased,
  )
}
