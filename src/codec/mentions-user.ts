// Whose a record is, readable or not: what an erasure removes from log and quarantine.
import { unreachable } from '../core/assert.ts'
import type { ControlRecord } from '../core/event.ts'
import { csvFields } from './csv.ts'
import { decodeEnvelope } from './envelope.ts'
import { decodeControl, type RecordFormat } from './event.ts'

/** A record as an erasure sees it: `bytes` and `key` are those of a Kafka record; without `bytes` they are the text's. */
type Named = {
  readonly text: string
  readonly format: RecordFormat
  readonly bytes?: Uint8Array | (() => Uint8Array) | undefined
  readonly key?: Uint8Array | null | undefined
}

/**
 * Whether a record is of this user: an event (or a list of them), a control record, a CSV record. A record that cannot be
 * read is theirs when it names them where a user stands in JSON, or as a field: of what nobody can read for certain,
 * rather too much is removed than too little. So is a Kafka record, in whose value any field may be the user: see
 * `kafkaIsOf`.
 */
export function mentionsUser(record: Named, userId: string): boolean {
  const { text, format, key } = record
  switch (format.kind) {
    case 'control':
      return controlIsOf(decodeControl(text), userId)
    case 'csv': {
      const fields = csvFields(text)
      return fields?.length === format.columns.length
        ? fields[format.columns.indexOf('user_id')] === userId
        : hasField(text, userId)
    }
    case 'json':
    case 'unreadable':
      return jsonIsOf(text, userId)
    case 'kafka': {
      const bytes = typeof record.bytes === 'function' ? record.bytes() : record.bytes
      return kafkaIsOf({ text, bytes, key }, userId)
    }
    case 'erased':
      return false
    default:
      return unreachable(format)
  }
}

/** Whether a record in quarantine is of this user. */
export function quarantinedMentionsUser(
  {
    bytes,
    format,
    envelope,
  }: { readonly bytes: Uint8Array; readonly format: string; readonly envelope?: string | undefined },
  userId: string,
): boolean {
  return mentionsUser(
    {
      text: Buffer.from(bytes).toString('utf8'),
      format: JSON.parse(format) as RecordFormat,
      bytes,
      key: envelope === undefined ? null : decodeEnvelope(envelope).key,
    },
    userId,
  )
}

function controlIsOf(control: ControlRecord, userId: string): boolean {
  switch (control.kind) {
    case 'erase':
      return control.userId === userId
    case 'import':
      return control.set.prototypes.some((prototype) => prototype.userId === userId)
    case 'switch':
    case 'requeue':
    case 'drop_sink':
    case 'calibrate':
      return false
    default:
      return unreachable(control)
  }
}

/**
 * Whether a Kafka record names the user: as its key, in a string or whole number of its JSON (a mapping may make any
 * field the user), or, in bytes that are not JSON, as an Avro string or a long of Avro anywhere.
 */
function kafkaIsOf(
  {
    text,
    bytes = Buffer.from(text),
    key,
  }: { text: string; bytes: Uint8Array | undefined; key: Named['key'] },
  userId: string,
): boolean {
  const id = Buffer.from(userId)
  if (key && id.equals(key)) return true
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const avro = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (avro.includes(Buffer.concat([avroLong(id.length), id]))) return true
    const number = Number(userId)
    if (Number.isSafeInteger(number) && String(number) === userId) {
      const long = avroLong(number)
      if (long.length >= telling && avro.includes(long)) return true
    }
    return text.includes(JSON.stringify(userId)) || jsonIsOf(text, userId)
  }
  return holds(value, userId)
}

/** An integer of fewer bytes stands in almost any bytes by chance: such a user is found by the record's key alone. */
const telling = 3

function holds(value: unknown, userId: string): boolean {
  return anyIn(value, (inner) => {
    if (typeof inner === 'string') return inner === userId
    if (typeof inner === 'number') return Number.isInteger(inner) && String(inner) === userId
    return typeof inner === 'object' && inner !== null ? undefined : false
  })
}

/** Avro's variable-length zigzag form of an integer. */
function avroLong(value: number): Buffer {
  const bytes: number[] = []
  let rest = value < 0 ? BigInt(-value) * 2n - 1n : BigInt(value) * 2n
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

function jsonIsOf(text: string, userId: string): boolean {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const looksLikeJson = /^\s*[{[]/.test(text)
    return hasKey(text, userId) || (!looksLikeJson && hasField(text, userId))
  }
  return valueIsOf(value, userId)
}

/** An event of the user, or whatever holds one: what says whose it is is not looked into further. */
function valueIsOf(value: unknown, userId: string): boolean {
  return anyIn(value, (inner) => {
    if (typeof inner !== 'object' || inner === null) return false
    const { user_id: named } = inner as { user_id?: unknown }
    if (typeof named === 'string' || typeof named === 'number') return String(named) === userId
    return undefined
  })
}

/** Looks into arrays and objects wherever `look` gives undefined; without recursion, for JSON may be nested a million deep. */
function anyIn(value: unknown, look: (inner: unknown) => boolean | undefined): boolean {
  const left = [value]
  while (left.length > 0) {
    const inner = left.pop()
    const found = look(inner)
    if (found === true) return true
    if (found === undefined) for (const next of Object.values(inner as object)) left.push(next)
  }
  return false
}

/** Whether broken JSON has `"user_id": <the id>` somewhere, spaced and escaped as it may be. */
function hasKey(text: string, userId: string): boolean {
  for (const { index, 0: key } of text.matchAll(/(["'])user_id\1\s*:\s*/g))
    if (beginsWithId(text.slice(index + key.length), userId)) return true
  return false
}

/** Whether the value that `text` begins with is the id: a JSON string if it is one, else whatever could be meant. */
function beginsWithId(text: string, userId: string): boolean {
  const quote = text[0]
  if (quote !== '"' && quote !== "'") return /^[^\s,}\]]*/.exec(text)![0] === userId
  const end = endOfString(text, quote)
  const token = text.slice(1, end)
  if (end < text.length && /^\s*(?:[,}\]]|$)/.test(text.slice(end + 1))) {
    const parsed = stringOf(text.slice(0, end + 1))
    if (parsed !== undefined) return parsed === userId
  }
  return (
    unescaped(token) === userId || text === quote + userId || text.startsWith(`${quote}${userId}${quote}`)
  )
}

/** Where the string that `text` begins with ends: its closing quote, or the end of the text. */
function endOfString(text: string, quote: string): number {
  let at = 1
  while (at < text.length && text[at] !== quote) at += text[at] === '\\' ? 2 : 1
  return Math.min(at, text.length)
}

function stringOf(token: string): string | undefined {
  try {
    return JSON.parse(token) as string
  } catch {
    return undefined // not JSON: a character or an escape that has no place in a string
  }
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** The token's text, where JSON.parse would refuse it: bare control characters stay, unknown escapes are their character. */
function unescaped(token: string): string {
  return token.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, code?: string, char = '') =>
    code === undefined ? (escapes[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16)),
  )
}

/** Whether the id stands between separators, as it is or as CSV quotes it. */
function hasField(text: string, userId: string): boolean {
  for (const form of [userId, `"${userId.replaceAll('"', '""')}"`])
    for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1))
      if (isEdge(text[at - 1]) && isEdge(text[at + form.length])) return true
  return false
}

function isEdge(char: string | undefined): boolean {
  return char === undefined || ',;\t\r\n"'.includes(char)
}
