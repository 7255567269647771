// Files and standard input as records for the log: NDJSON or CSV, gzip or plain, in chunks of bounded size.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { csvFields, opensQuote } from '../codec/csv.ts'
import { type RecordFormat, requiredColumns } from '../codec/event.ts'
import { blockBytesMax, blockRecordsMax, recordBytesMax } from '../core/limits.ts'
import { FatalError, messageOf, UsageError } from '../errors.ts'
import type { BlockInput } from './log-block.ts'

/** What is kept of a record that is longer than a record may be. */
const oversizeKeptBytes = 64 * 1024

/** A chunk of a file: blocks to append, and the line after it. */
export type FileChunk = {
  readonly blocks: readonly BlockInput[]
  readonly nextLine: number
  readonly bytesRead: number
}

/** Name of a file as a source: by its content, so that a copy is the same source and a changed file another. */
export async function fileSourceName(path: string): Promise<string> {
  const digest = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) digest.update(chunk)
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${messageOf(error)}`)
  }
  return `file:${digest.digest('hex').slice(0, 32)}`
}

/**
 * The records of a file (or of `input`) from line `fromLine` (0-based) on, in chunks. Lines are counted as they stand in the
 * file, blank ones too; a CSV record that spans lines has the number of its first. Throws UsageError for a CSV header
 * that lacks a column, FatalError where reading breaks off (a truncated .gz): the chunks before it have been given.
 */
export async function* fileChunks(
  path: string,
  { source, fromLine = 0, input }: { source?: string; fromLine?: number; input?: Readable },
): AsyncGenerator<FileChunk> {
  const progress = { bytesRead: 0 }
  const builder = new ChunkBuilder(path, { ...(source === undefined ? {} : { source }), fromLine })
  try {
    let number = 0
    const stream = await unzipped(input ?? (await openFile(path, progress)))
    for await (const { lines, firstBytes } of physicalLines(stream))
      for (const [i, line] of lines.entries()) {
        builder.add(line, {
          number: number++,
          bytes: i === 0 ? Math.max(firstBytes, line.length) : line.length,
        })
        if (builder.full) yield { ...builder.take(), bytesRead: progress.bytesRead }
      }
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (builder.holds) yield { ...builder.take(), bytesRead: progress.bytesRead }
    throw new FatalError(
      `${path} breaks off after line ${builder.nextLine}: ${messageOf(error)}; what came before it is kept`,
    )
  }
  builder.finish()
  if (builder.holds || builder.nextLine > fromLine) yield { ...builder.take(), bytesRead: progress.bytesRead }
}

/** Gathers records into blocks; knows NDJSON from CSV by the first line. */
class ChunkBuilder {
  nextLine: number
  readonly #path: string
  readonly #source: string | undefined
  readonly #fromLine: number
  #format: RecordFormat | undefined
  #blocks: BlockInput[] = []
  #records: Uint8Array[] = []
  #refOffsets: number[] = []
  #bytes = 0
  /** The beginning of a CSV record whose quoted field goes on in the next line. */
  #open: { bytes: Buffer; line: number } | undefined

  constructor(path: string, { source, fromLine }: { source?: string; fromLine: number }) {
    this.#path = path
    this.#source = source
    this.#fromLine = fromLine
    this.nextLine = fromLine
  }

  get holds(): boolean {
    return this.#records.length + this.#blocks.length > 0
  }

  get full(): boolean {
    return this.#records.length >= blockRecordsMax || this.#bytes >= blockBytesMax
  }

  /**
   * Takes line `number`, of which `bytes` were in the input (more than are in `line` when it was cut off). A return at its
   * end is part of the line end, unless a quoted field goes on in the next line: there it is text.
   */
  add(line: Buffer, { number, bytes }: { number: number; bytes: number }): void {
    if (this.#format === undefined) {
      const text =
        number === 0 && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? line.subarray(3) : line
      if (isBlank(text)) return this.#advance(number + 1)
      const header = headerOf(text, this.#path)
      this.#format = header ?? { kind: 'json' }
      if (header !== undefined) return this.#advance(number + 1)
      line = text
    }
    if (this.#open !== undefined) {
      const joined = Buffer.concat([this.#open.bytes, Buffer.from('\n'), line])
      const whole = !opensQuote(joined) || joined.length > blockBytesMax
      const first = this.#open.line
      this.#open = whole ? undefined : { bytes: joined, line: first }
      if (!whole) return
      this.#push(withoutReturn(joined), first)
      this.#advance(number + 1)
      return
    }
    if (isBlank(line)) return this.#advance(number + 1)
    if (this.#format.kind === 'csv' && opensQuote(line))
      this.#open = { bytes: Buffer.from(line), line: number }
    else this.#push(withoutReturn(line), number, bytes - (endsWithReturn(line) ? 1 : 0))
  }

  finish(): void {
    if (this.#open !== undefined) this.#push(withoutReturn(this.#open.bytes), this.#open.line)
    this.#open = undefined
  }

  take(): Omit<FileChunk, 'bytesRead'> {
    this.#close(this.#format ?? { kind: 'json' })
    const blocks = this.#blocks
    this.#blocks = []
    this.#bytes = 0
    return { blocks, nextLine: this.nextLine }
  }

  #advance(next: number): void {
    if (next > this.nextLine) this.nextLine = next
  }

  #push(record: Buffer, number: number, bytes = record.length): void {
    this.#advance(number + 1)
    if (number < this.#fromLine) return
    if (record.length <= recordBytesMax) return this.#keep(record, number)
    this.#close(this.#format!)
    this.#keep(record.subarray(0, oversizeKeptBytes), number)
    const cause = `a record of ${bytes} bytes; records have at most ${recordBytesMax} (its first ${oversizeKeptBytes} bytes are kept, the whole is line ${number + 1} of the file)`
    this.#close({ kind: 'unreadable', cause })
  }

  #keep(record: Buffer, number: number): void {
    this.#records.push(record)
    this.#refOffsets.push(number + 1)
    this.#bytes += record.length
  }

  #close(format: RecordFormat): void {
    if (this.#records.length === 0) return
    const source = this.#source === undefined ? {} : { source: this.#source, refOffsets: this.#refOffsets }
    this.#blocks.push({ format, ...source, records: this.#records })
    this.#records = []
    this.#refOffsets = []
  }
}

/** The columns of a CSV header line, or undefined for NDJSON. Throws UsageError for a header that is no event's. */
function headerOf(line: Buffer, path: string): RecordFormat | undefined {
  const text = line.toString('utf8').trim()
  if (text.startsWith('{') || text.startsWith('[') || !text.includes(',')) return undefined
  const columns = csvFields(text)?.map((column) => column.trim())
  if (columns === undefined) return undefined
  // a header names columns; so many fields that no name looks like one are a file without its header
  if (columns.length < requiredColumns.length && !columns.every((column) => /^[\w .:-]{1,64}$/.test(column)))
    return undefined
  const missing = requiredColumns.filter((column) => !columns.includes(column))
  if (missing.length > 0)
    throw new UsageError(
      `${path} looks like CSV, and its header lacks ${missing.join(', ')}: the first line must name event_id, user_id, product_id, type, ts (and may name quantity, price, title, category)`,
    )
  return { kind: 'csv', columns }
}

async function openFile(path: string, progress: { bytesRead: number }): Promise<Readable> {
  const handle = await open(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${messageOf(error)}`)
  })
  const raw = handle.createReadStream({ highWaterMark: 1 << 18 })
  raw.on('data', (chunk) => {
    progress.bytesRead += chunk.length
  })
  return raw.pause()
}

/** The stream as it is, or unzipped: gzip is known by its first two bytes. */
async function unzipped(raw: Readable): Promise<Readable> {
  const chunks = raw.iterator() as AsyncIterator<Buffer>
  let head = Buffer.alloc(0)
  while (head.length < 2) {
    const { value, done } = await chunks.next()
    if (done === true) break
    head = Buffer.concat([head, value])
  }
  const whole = Readable.from(joined(head, chunks), { objectMode: false })
  if (head[0] !== 0x1f || head[1] !== 0x8b) return whole
  const gunzip = createGunzip({ chunkSize: 1 << 18 })
  whole.on('error', (error) => gunzip.destroy(error))
  return whole.pipe(gunzip)
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  yield* { [Symbol.asyncIterator]: () => rest }
}

/** Lines without their line feeds, in order, those of one piece of the stream at a time. A line is cut off in memory at twice the record limit. */
async function* physicalLines(stream: Readable): AsyncGenerator<{ lines: Buffer[]; firstBytes: number }> {
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const piece of stream as AsyncIterable<Buffer>) {
    const lines: Buffer[] = []
    let start = 0
    let firstBytes = 0
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      const line = piece.subarray(start, end)
      if (lines.length === 0) firstBytes = restBytes + line.length
      lines.push(restBytes === 0 ? line : Buffer.concat([...rest, line]))
      rest = []
      restBytes = 0
      start = end + 1
    }
    yield { lines, firstBytes }
    if (start === piece.length) continue
    restBytes += piece.length - start
    if (restBytes <= 2 * recordBytesMax) rest.push(piece.subarray(start))
  }
  if (restBytes > 0) yield { lines: [Buffer.concat(rest)], firstBytes: restBytes }
}

function withoutReturn(line: Buffer): Buffer {
  return endsWithReturn(line) ? line.subarray(0, line.length - 1) : line
}

function endsWithReturn(line: Buffer): boolean {
  return line.length > 0 && line[line.length - 1] === 13
}

function isBlank(line: Buffer): boolean {
  return line.length === 0 || (line.length < 64 && line.toString('latin1').trim() === '')
}
