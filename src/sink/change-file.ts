// Sink: change events appended to a file as NDJSON. The file's last line says where to go on; a torn one is cut.
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ChangeEvent } from '../codec/change-event.ts'
import { FatalError, messageOf, UsageError } from '../errors.ts'
import type { ChangeRow, StoreReader } from '../store/port.ts'
import type { OutboxRow, Sink } from './port.ts'

/** Rows looked through at a time for the file's last event. */
const searchRows = 4096

/** Opens the file, mends its end, and finds the change that comes after its last one. Throws UsageError. */
export function openChangeFile(path: string, store: StoreReader): Sink {
  const name = `file:${resolve(path)}`
  let fd: number
  try {
    fd = openSync(path, 'a+')
  } catch (error) {
    throw new UsageError(`cannot write change events to ${path}: ${messageOf(error)}`)
  }
  let next: number
  try {
    next = goOn(fd, { path, name, store })
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return {
    name,
    get next() {
      return next
    },
    async deliver(rows: readonly OutboxRow[]) {
      if (rows.length === 0) return
      try {
        writeAll(fd, Buffer.from((rows as readonly ChangeRow[]).map(({ json }) => `${json}\n`).join('')))
        fdatasyncSync(fd)
      } catch (error) {
        throw new FatalError(
          `cannot write change events to ${path}: ${messageOf(error)}; they stay in the outbox: run again`,
        )
      }
      next = rows[rows.length - 1]!.number + 1
    },
    async close() {
      closeSync(fd)
    },
  }
}

/** How every line of a change file begins, as far as the first one may have been written before a crash. */
const lineStart = '{"event_id":"pc_'

/** Finds the change that comes after the file's last whole one, then cuts a torn line. A file of anything else is refused untouched. */
function goOn(fd: number, place: { path: string; name: string; store: StoreReader }): number {
  const { size } = fstatSync(fd)
  const end = lastIndexOfNewline(fd, size) + 1
  const torn = Buffer.alloc(Math.min(lineStart.length, size - end))
  readSync(fd, torn, 0, torn.length, end)
  if (!lineStart.startsWith(torn.toString('latin1')))
    throw new UsageError(`${place.path} does not end with a change event; name another file for --changes`)
  const next = end === 0 ? 0 : after(lastLine(fd, end), place)
  if (end < size) ftruncateSync(fd, end)
  return next
}

/** Number of the change after the one that `line` holds. */
function after(
  line: string,
  { path, name, store }: { path: string; name: string; store: StoreReader },
): number {
  let eventId: string | undefined
  try {
    eventId = (JSON.parse(line) as ChangeEvent).event_id
  } catch {
    throw new UsageError(`${path} does not end with a change event; name another file for --changes`)
  }
  for (let end = store.counters().changes; end > 0; end -= searchRows) {
    const from = Math.max(0, end - searchRows)
    const rows = store.changes(from, end - from)
    for (const { number, json } of rows.reverse()) if (json.includes(`"${eventId}"`)) return number + 1
  }
  const cursor = store.sinkCursor(name)
  if (cursor !== undefined) return cursor.next // its last event is no longer kept, or of an erased user
  throw new UsageError(
    `${path} ends with a change event that this data directory does not hold; name another file for --changes`,
  )
}

function lastLine(fd: number, size: number): string {
  const start = lastIndexOfNewline(fd, size - 1) + 1
  const bytes = Buffer.alloc(size - 1 - start)
  readSync(fd, bytes, 0, bytes.length, start)
  return bytes.toString('utf8')
}

/** Offset of the last line end before `end`, −1 for none. */
function lastIndexOfNewline(fd: number, end: number): number {
  const buffer = Buffer.alloc(64 * 1024)
  while (end > 0) {
    const start = Math.max(0, end - buffer.length)
    readSync(fd, buffer, 0, end - start, start)
    const at = buffer.lastIndexOf(10, end - start - 1)
    if (at >= 0) return start + at
    end = start
  }
  return -1
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}
