// Mappings: which part of a foreign record is which field of an event. Parsed once into rules; a record only follows them.
import { isUtf8 } from 'node:buffer'
import { unreachable } from '../core/assert.ts'
import type { ShopEvent } from '../core/event.ts'
import { InvalidRecordError, UsageError } from '../errors.ts'
import { eventOf } from './event.ts'

/** What a Kafka record is beside its value: kept with it in quarantine, so that it can be decoded again. */
export type Envelope = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** The value was null: a tombstone. */
  readonly nullValue: boolean
  readonly headers: readonly (readonly [string, Uint8Array])[]
}

type Field = (typeof fields)[number]
type Unit = 'ms' | 's' | 'us'
type Source =
  | { readonly kind: 'path'; readonly steps: readonly string[] }
  | { readonly kind: 'constant'; readonly value: string | number }
  | { readonly kind: 'key' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'position' }
  | { readonly kind: 'header'; readonly name: string }

/** Where one field comes from; `shown` is how the mapping's text says it, `unit` matters for `ts` alone. */
export type Rule = {
  readonly field: Field
  readonly source: Source
  readonly unit: Unit
  readonly shown: string
}

/** A rule for every field: what a mapping does not mention is read by its own name. */
export type Mapping = readonly Rule[]

const fields = [
  'event_id',
  'user_id',
  'product_id',
  'type',
  'quantity',
  'price',
  'ts',
  'title',
  'category',
] as const
const units: Readonly<Record<string, Unit>> = { ts: 'ms', ts_seconds: 's', ts_micros: 'us' }
const required: ReadonlySet<Field> = new Set(['event_id', 'user_id', 'product_id', 'type', 'ts'])
const eventTypes = ['purchase', 'return', 'view', 'cart', 'review']

const fieldNames = `${fields.join(', ')}, ts_seconds, ts_micros`
const form = `a pair is "field: path", of the fields ${fieldNames}; instead of a dotted path: =text, @key, @timestamp, @position or @header.NAME`

/** Every field by its own name. */
export const ownNames: Mapping = fields.map((field) => ruleOf(field, field))

/** Parses the mapping of one topic: pairs, or a JSON object of pairs. `what` names it in errors. Throws UsageError. */
export function parseMapping(text: string, what: string): Mapping {
  return mappingOf(
    text.trimStart().startsWith('{') ? pairsOfObject(parsed(text, what), what) : pairsOf(text, what),
    what,
  )
}

/** Parses mappings by topic: JSON `{topic: {field: path}}`; pairs without a topic are those of all topics (`*`). Throws UsageError. */
export function parseMappings(text: string): Map<string, Mapping> {
  const what = 'the mapping'
  if (text.trim() === '') return new Map()
  if (!text.trimStart().startsWith('{')) return new Map([['*', parseMapping(text, what)]])
  const value = parsed(text, what)
  const entries = Object.entries(value)
  if (!entries.some(([, inner]) => typeof inner === 'object' && inner !== null))
    return new Map([['*', mappingOf(pairsOfObject(value, what), what)]])
  return new Map(
    entries.map(([topic, inner]) => {
      const at = `${what} of topic ${JSON.stringify(topic)}`
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner))
        throw new UsageError(`${at} is ${JSON.stringify(inner)}, not an object of pairs: ${form}`)
      return [topic, mappingOf(pairsOfObject(inner as Record<string, unknown>, at), at)]
    }),
  )
}

/** The event that a mapping finds in a decoded value. Throws InvalidRecordError. */
export function eventBy(mapping: Mapping, value: unknown, envelope: Envelope): ShopEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidRecordError(
      `an event must be a record or a JSON object, not ${value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value}`,
    )
  const event: Partial<Record<Field, unknown>> = {}
  for (const rule of mapping) event[rule.field] = fieldOf(rule, foundBy(rule.source, value, envelope))
  return eventOf(event)
}

function foundBy(source: Source, value: object, envelope: Envelope): unknown {
  switch (source.kind) {
    case 'path':
      return valueAt(value, source.steps)
    case 'constant':
      return source.value
    case 'key':
      return envelope.key === null ? undefined : textOf(envelope.key, "the record's key")
    case 'timestamp':
      return envelope.timestamp
    case 'position':
      return `${envelope.topic}/${envelope.partition}/${envelope.offset}`
    case 'header': {
      const header = envelope.headers.findLast(([name]) => name === source.name)
      return header === undefined ? undefined : textOf(header[1], `header ${source.name}`)
    }
    default:
      return unreachable(source)
  }
}

function valueAt(value: object, steps: readonly string[]): unknown {
  let at: unknown = value
  for (const step of steps) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = (at as Record<string, unknown>)[step]
  }
  return at
}

/** What `eventOf` is to validate: scalars alone, ids as text, times in milliseconds. */
function fieldOf({ field, source, unit, shown }: Rule, value: unknown): unknown {
  if (value === undefined || value === null) {
    if (shown !== field && required.has(field))
      throw new InvalidRecordError(`${field} is missing: there is nothing at ${shown}`)
    return undefined
  }
  if (typeof value === 'bigint')
    throw new InvalidRecordError(`${field} ${value} lies beyond 2^53: send it as a string`)
  if (value instanceof Uint8Array) value = textOf(value, field)
  if (typeof value === 'object')
    throw new InvalidRecordError(
      `${field} is ${Array.isArray(value) ? 'an array' : 'a record'}, not a single value`,
    )
  switch (field) {
    case 'event_id':
    case 'user_id':
    case 'product_id':
      return Number.isSafeInteger(value) ? String(value) : value
    case 'ts':
      return timeOf(source.kind === 'path' && unit === 'ms' ? value : numberIn(value), unit)
    case 'quantity':
    case 'price':
      return source.kind === 'path' ? value : numberIn(value)
    default:
      return value
  }
}

/** Sums of fractions of a second are off by less than this many milliseconds. */
const roundingMs = 0.0005

function timeOf(value: unknown, unit: Unit): unknown {
  if (unit === 'ms') return value
  if (typeof value !== 'number')
    throw new InvalidRecordError(
      `ts ${JSON.stringify(value)} is not a number of ${unit === 's' ? 'seconds' : 'microseconds'} since 1970`,
    )
  return Math.floor(unit === 's' ? value * 1000 + roundingMs : value / 1000)
}

/** Text that is a number, as it: of what has no types, such as a header. */
function numberIn(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value
}

function textOf(bytes: Uint8Array, what: string): string {
  if (!isUtf8(bytes)) throw new InvalidRecordError(`${what} is not valid UTF-8`)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

type Pair = readonly [name: string, path: string]

function pairsOf(text: string, what: string): Pair[] {
  return text
    .split(/[,\n]/)
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => {
      const colon = pair.indexOf(':')
      if (colon < 0) throw new UsageError(`${what}: ${JSON.stringify(pair)} has no colon; ${form}`)
      return [pair.slice(0, colon).trim(), pair.slice(colon + 1).trim()] as const
    })
}

function pairsOfObject(value: Record<string, unknown>, what: string): Pair[] {
  return Object.entries(value).map(([name, path]) => {
    if (typeof path !== 'string')
      throw new UsageError(`${what}: ${JSON.stringify(name)} is mapped to ${JSON.stringify(path)}; ${form}`)
    return [name, path] as const
  })
}

function parsed(text: string, what: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

function mappingOf(pairs: readonly Pair[], what: string): Mapping {
  if (pairs.length === 0) throw new UsageError(`${what} is empty; ${form}`)
  const rules = new Map<Field, Rule>()
  for (const [name, path] of pairs) {
    try {
      const rule = ruleOf(name, path)
      if (rules.has(rule.field)) throw new Error(`${rule.field} is mapped twice; keep one of them`)
      rules.set(rule.field, rule)
    } catch (error) {
      throw new UsageError(`${what}: "${name}: ${path}": ${(error as Error).message}`)
    }
  }
  return ownNames.map((rule) => rules.get(rule.field) ?? rule)
}

function ruleOf(name: string, path: string): Rule {
  const unit = Object.hasOwn(units, name) ? units[name] : undefined
  const field = unit === undefined ? fields.find((known) => known === name) : 'ts'
  if (field === undefined)
    throw new Error(`there is no field ${JSON.stringify(name)}; fields are ${fieldNames}`)
  const source = sourceOf(path, field)
  // a record's own timestamp is in milliseconds, whatever the field's name says
  return { field, source, unit: source.kind === 'timestamp' ? 'ms' : (unit ?? 'ms'), shown: path }
}

function sourceOf(path: string, field: Field): Source {
  if (path.startsWith('=')) return { kind: 'constant', value: constantOf(path.slice(1), field) }
  if (path === '@key') return { kind: 'key' }
  if (path === '@timestamp') return { kind: 'timestamp' }
  if (path === '@position') return { kind: 'position' }
  if (path.startsWith('@header.') && path.length > '@header.'.length)
    return { kind: 'header', name: path.slice('@header.'.length) }
  if (path.startsWith('@')) throw new Error('it may be @key, @timestamp, @position or @header.NAME')
  const steps = path.split('.')
  if (steps.includes('')) throw new Error('a path is names with dots between them, such as customer.id')
  return { kind: 'path', steps }
}

function constantOf(text: string, field: Field): string | number {
  if (field === 'type' && !eventTypes.includes(text))
    throw new Error(`a type is one of ${eventTypes.join(', ')}`)
  if (field !== 'quantity' && field !== 'price') return text
  const value = numberIn(text)
  if (typeof value !== 'number') throw new Error(`${field} is a number`)
  return value
}
