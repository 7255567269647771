// Codec of events: record bytes → ShopEvent. The one place where an event is validated; types are trusted after.
import { unreachable } from '../core/assert.ts'
import type { ControlRecord, EventType, ShopEvent } from '../core/event.ts'
import { type EventId, idProblem, type ProductId, type UserId } from '../core/ids.ts'
import { quantityMax, titleLengthMax, tsMax } from '../core/limits.ts'
import { InvalidRecordError } from '../errors.ts'
import { csvFields } from './csv.ts'

/**
 * How a record's bytes are to be read: `json` (one event object), `csv` with the header's columns, `control`
 * (a control record as JSON), `kafka`: a value of that topic, which its ValueCodec decodes, `unreadable`: bytes that a
 * reader could not split, with the reason, or `erased`: the record of an erased user, of which nothing is left.
 */
export type RecordFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'csv'; readonly columns: readonly string[] }
  | { readonly kind: 'control' }
  | { readonly kind: 'kafka'; readonly topic: string }
  | { readonly kind: 'unreadable'; readonly cause: string }
  | { readonly kind: 'erased' }

/** Columns that a CSV of events must have; quantity, price, title and category are optional. */
export const requiredColumns = ['event_id', 'user_id', 'product_id', 'type', 'ts'] as const

const types = new Map<unknown, EventType>([
  ['purchase', 'purchase'],
  ['return', 'return'],
  ['view', 'view'],
  ['cart', 'cart'],
  ['review', 'review'],
])

/** Decodes one event record; `text` is its UTF-8. Throws InvalidRecordError with a cause that names the field. */
export function decodeEvent(text: string, format: RecordFormat): ShopEvent {
  switch (format.kind) {
    case 'json':
      return eventOf(parseJson(text))
    case 'csv':
      return eventOf(fieldsOf(text, format.columns))
    case 'unreadable':
      throw new InvalidRecordError(format.cause)
    case 'control':
    case 'kafka':
    case 'erased':
      throw new InvalidRecordError(`a record of kind ${format.kind} where an event was expected`)
    default:
      return unreachable(format)
  }
}

/** Control records are written by Kindred alone, as JSON; what reads back is trusted. */
export function decodeControl(text: string): ControlRecord {
  return JSON.parse(text) as ControlRecord
}

/** Validates a parsed event object. Throws InvalidRecordError. */
export function eventOf(value: unknown): ShopEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidRecordError(
      `an event must be a JSON object, not ${value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value}`,
    )
  const fields = value as Record<string, unknown>
  const type = types.get(fields.type)
  if (type === undefined)
    throw new InvalidRecordError(`type ${shown(fields.type)} is none of purchase, return, view, cart, review`)
  if (fields.price !== undefined && fields.price !== null && !Number.isFinite(fields.price))
    throw new InvalidRecordError(`price ${shown(fields.price)} is not a number`)
  return {
    eventId: idOf(fields.event_id, 'event_id') as EventId,
    userId: idOf(fields.user_id, 'user_id') as UserId,
    productId: idOf(fields.product_id, 'product_id') as ProductId,
    type,
    quantity: quantityOf(fields.quantity),
    ts: tsOf(fields.ts),
    title: labelOf(fields.title, 'title'),
    category: labelOf(fields.category, 'category'),
  }
}

function idOf(value: unknown, field: string): string {
  const problem = idProblem(value)
  if (problem !== undefined) throw new InvalidRecordError(`${field} ${problem}`)
  return value as string
}

function quantityOf(value: unknown): number {
  if (value === undefined || value === null) return 1
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= quantityMax)
    return value as number
  throw new InvalidRecordError(`quantity ${shown(value)} is not a whole number from 1 to ${quantityMax}`)
}

const isoWithZone = /^\d{4}-\d\d-\d\d(?:T(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

/** Whether it is taken for the time of an event. */
export function isEventTime(value: unknown): boolean {
  try {
    tsOf(value)
    return true
  } catch {
    return false
  }
}

/** Milliseconds since 1970 of an ISO 8601 time with a zone (or a bare UTC date), or of a number of milliseconds. */
function tsOf(value: unknown): number {
  let ts: number
  if (typeof value === 'string') ts = value === lastText ? lastTs : parseTs(value)
  else if (typeof value === 'number') ts = value
  else
    throw new InvalidRecordError(
      `ts ${value === undefined || value === null ? 'is missing' : `${shown(value)} is not an ISO 8601 time`}`,
    )
  if (!Number.isInteger(ts) || ts < 0 || ts >= tsMax)
    throw new InvalidRecordError(`ts ${shown(value)} does not lie within 1970 to 2100`)
  return ts
}

let lastText = ''
let lastTs = 0

/** Whether the month has that day: `Date.parse` takes the 30th of February for the 2nd of March. */
function isDay(text: string): boolean {
  const day = Number(text.slice(8, 10))
  return (
    day <= 28 || day <= new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  )
}

/** Many records of a stream share a minute: the last text is kept. */
function parseTs(text: string): number {
  const ts = isoWithZone.test(text) && isDay(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ts))
    throw new InvalidRecordError(
      `ts ${shown(text)} is not an ISO 8601 time with a zone, such as 2025-01-31T12:00:00Z`,
    )
  lastText = text
  lastTs = ts
  return ts
}

function labelOf(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw new InvalidRecordError(`${field} ${shown(value)} is not a string`)
  return (value.length > titleLengthMax ? value.slice(0, titleLengthMax) : value).toWellFormed()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InvalidRecordError(`not JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** The object of one CSV record: empty optional fields are missing, numbers are read as such. */
function fieldsOf(text: string, columns: readonly string[]): Record<string, unknown> {
  const values = csvFields(text)
  if (values === undefined) throw new InvalidRecordError('a quoted CSV field does not end')
  if (values.length !== columns.length)
    throw new InvalidRecordError(`has ${values.length} CSV fields where the header has ${columns.length}`)
  const fields: Record<string, unknown> = {}
  columns.forEach((column, i) => {
    fields[column] = values[i] === '' ? undefined : values[i]
  })
  for (const column of ['quantity', 'price'])
    if (fields[column] !== undefined) fields[column] = numberOf(fields[column] as string)
  if (typeof fields.ts === 'string' && /^\d{1,15}$/.test(fields.ts)) fields.ts = Number(fields.ts)
  return fields
}

function numberOf(text: string): number | string {
  const value = Number(text.trim())
  return text.trim() === '' || Number.isNaN(value) ? text : value
}

/** Of arrays and objects only that they are such: to show one nested a million deep would overflow the stack. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  const text = JSON.stringify(value) ?? 'undefined'
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
