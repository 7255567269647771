// Codec of Kafka values: the bytes of a record's value, in JSON or Avro, → ShopEvent. Validation itself is `eventOf`'s.
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import avsc from 'avsc'
import type { ShopEvent } from '../core/event.ts'
import { recordBytesMax, writerSchemasMax } from '../core/limits.ts'
import { InvalidRecordError, messageOf, UsageError } from '../errors.ts'
import {
  isConverted,
  isTime,
  parseReaderSchema,
  parseWriterSchema,
  type ResolverOf,
  readAvro,
} from './avro-type.ts'
import { decodeEvent, eventOf } from './event.ts'
import { type Envelope, eventBy, type Mapping, ownNames, type Rule } from './mapping.ts'
import { schemaIdOf, wireHeaderBytes } from './wire-format.ts'

export { type Envelope, type Mapping, parseMapping, parseMappings } from './mapping.ts'

export type ValueCodecOptions = {
  /** `auto`: Confluent wire format or JSON, told apart by the first byte; `avro`: bare Avro bodies by `localSchema`. */
  readonly value: 'auto' | 'json' | 'confluent' | 'avro'
  /** The registry's URL: the prefix of schema keys, without credentials. */
  readonly registry: string | undefined
  /** Avro schema (JSON) of all values, for `avro`. */
  readonly localSchema: string | undefined
  /** By topic; `*` for all others. */
  readonly mappings: ReadonlyMap<string, Mapping>
}

export type ValueCodec = {
  /** The key under which the store keeps the schema that this value was written with; undefined when it needs none. */
  schemaKeyOf(bytes: Uint8Array): { readonly key: string; readonly id: number } | undefined
  /**
   * Throws InvalidRecordError with a cause that says what is wrong and what to do. `schemaOf` gives the JSON of the
   * writer's schema by key; undefined: the registry does not know it.
   */
  decode(bytes: Uint8Array, envelope: Envelope, schemaOf: (key: string) => string | undefined): ShopEvent
}

/** JSON text of our own event's schema. */
export const eventSchema = JSON.stringify(
  JSON.parse(readFileSync(new URL('../../../schemas/purchase-event.avsc', import.meta.url), 'utf8')),
)

/** Throws UsageError when options do not fit each other. */
export function createValueCodec(options: ValueCodecOptions): ValueCodec {
  const { value: format, mappings } = options
  const prefix = options.registry === undefined ? undefined : withoutCredentials(options.registry)
  const local = format === 'avro' ? localWriter(options.localSchema) : undefined
  const writers = new WriterCache()
  const all = mappings.get('*')

  function schemaKeyOf(bytes: Uint8Array) {
    if (prefix === undefined || format === 'json' || format === 'avro') return undefined
    const id = schemaIdOf(bytes)
    return id === undefined ? undefined : { key: `${prefix}#${id}`, id }
  }

  function decode(bytes: Uint8Array, envelope: Envelope, schemaOf: (key: string) => string | undefined) {
    if (envelope.nullValue)
      throw new InvalidRecordError(
        'a null value (a tombstone) is no event: events are not taken back by deleting them',
      )
    if (bytes.length > recordBytesMax)
      throw new InvalidRecordError(`a value of ${bytes.length} bytes; values have at most ${recordBytesMax}`)
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const mapping = mappings.get(envelope.topic) ?? all
    if (local !== undefined) return local.decode({ value, start: 0, mapping, envelope })
    if (kindOf(value, format) === 'json') return decodeJson({ value, mapping, envelope })
    const wanted = schemaKeyOf(value)
    if (wanted === undefined)
      throw new InvalidRecordError(
        `written with schema ${schemaIdOf(value)} of a schema registry, and none is configured: configure it, then kindred quarantine replay`,
      )
    return writers.of(wanted, schemaOf).decode({ value, start: wireHeaderBytes, mapping, envelope })
  }

  return { schemaKeyOf, decode }
}

/** JSON or wire format: by what is configured, and by the first byte. */
function kindOf(value: Buffer, format: ValueCodecOptions['value']): 'json' | 'confluent' {
  if (value.length === 0) throw new InvalidRecordError('the value is empty')
  const first = value[0]!
  if (format === 'json') {
    if (first === 0)
      throw new InvalidRecordError(
        'the value begins with byte 0x00 where JSON was expected: for Confluent wire format set the value format to auto or confluent',
      )
    return 'json'
  }
  if (first === 0) {
    if (value.length < wireHeaderBytes)
      throw new InvalidRecordError(
        `the value is truncated: Confluent wire format has a header of ${wireHeaderBytes} bytes, this value has ${value.length}`,
      )
    return 'confluent'
  }
  if (format === 'auto' && firstInk(value) === 0x7b) return 'json'
  throw new InvalidRecordError(
    `the value begins with byte 0x${first.toString(16).padStart(2, '0')}; expected ${
      format === 'auto' ? '0x00 (Confluent wire format) or "{" (JSON)' : '0x00 (Confluent wire format)'
    }`,
  )
}

/** The first byte that is not JSON's white space. */
function firstInk(value: Buffer): number | undefined {
  return value.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)
}

function decodeJson({
  value,
  mapping,
  envelope,
}: {
  value: Buffer
  mapping: Mapping | undefined
  envelope: Envelope
}) {
  if (!isUtf8(value)) throw new InvalidRecordError('not valid UTF-8')
  const text = value.toString('utf8')
  if (mapping === undefined) return decodeEvent(text, { kind: 'json' })
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new InvalidRecordError(`not JSON: ${(error as Error).message}`, { cause: error })
  }
  return eventBy(mapping, parsed, envelope)
}

const reader = parseReaderSchema(eventSchema)
const readerFields = (reader as avsc.types.RecordType).fields

type Body = {
  readonly value: Buffer
  readonly start: number
  readonly mapping: Mapping | undefined
  readonly envelope: Envelope
}

/** One writer's schema, ready to read: resolved to ours where Avro's rules allow, else as it is. */
class Writer {
  readonly #type: avsc.Type
  readonly #resolver: ResolverOf | undefined
  readonly #name: string
  /** Mappings with their rules fitted to this schema; topics that share a schema may differ in theirs. */
  readonly #fitted = new Map<Mapping, Mapping>()

  /** Throws what avsc throws when the schema is none. */
  constructor(schema: string, name: string) {
    this.#type = parseWriterSchema(schema)
    this.#resolver = resolverOf(this.#type)
    this.#name = name
  }

  decode({ value, start, mapping, envelope }: Body): ShopEvent {
    if (mapping === undefined && this.#resolver !== undefined)
      return eventOf(this.#read({ type: reader, bytes: value, start, resolver: this.#resolver }))
    const record = this.#read({ type: this.#type, bytes: value, start, resolver: undefined })
    return eventBy(this.#fit(mapping ?? ownNames), record, envelope)
  }

  #read({ type, ...from }: { type: avsc.Type } & Parameters<typeof readAvro>[1]): unknown {
    try {
      return readAvro(type, from)
    } catch (error) {
      throw new InvalidRecordError(`not a value of ${this.#name}: ${messageOf(error)}`, { cause: error })
    }
  }

  #fit(mapping: Mapping): Mapping {
    let fitted = this.#fitted.get(mapping)
    if (fitted === undefined) {
      fitted = mapping.map((rule) => fittedRule(rule, this.#type))
      this.#fitted.set(mapping, fitted)
    }
    return fitted
  }
}

/** How our event's schema reads this one; undefined where it cannot, or where it would read a date as milliseconds. */
function resolverOf(writer: avsc.Type): ResolverOf | undefined {
  if (!avsc.Type.isType(writer, 'record')) return undefined
  const { fields } = writer as avsc.types.RecordType
  if (fields.some(({ name, type }) => readerFields.some((own) => own.name === name) && isConverted(type)))
    return undefined
  try {
    return reader.createResolver(writer, { ignoreNamespaces: true })
  } catch {
    return undefined // avsc's answer for schemas that do not resolve
  }
}

/**
 * A rule as this schema wants it: a field that the writer has renamed is found by the alias it left behind, one that the
 * writer does not have takes our schema's default, and a time that says its unit is believed.
 */
function fittedRule(rule: Rule, writer: avsc.Type): Rule {
  if (rule.source.kind !== 'path' || !avsc.Type.isType(writer, 'record')) return rule
  const { fields, name = '' } = writer as avsc.types.RecordType
  const [first, ...rest] = rule.source.steps
  const field = fields.find((own) => own.name === first) ?? fields.find((own) => own.aliases.includes(first!))
  if (field === undefined) {
    const isOurs = name.split('.').at(-1) === 'PurchaseEvent' && rule.shown === rule.field
    const value = isOurs ? readerFields.find((own) => own.name === rule.field)?.defaultValue() : undefined
    return value === undefined || value === null ? rule : { ...rule, source: { kind: 'constant', value } }
  }
  const last = typeAt(field.type, rest)
  return {
    ...rule,
    source: { kind: 'path', steps: [field.name, ...rest] },
    unit: last !== undefined && isTime(last) ? 'ms' : rule.unit,
  }
}

function typeAt(type: avsc.Type, steps: readonly string[]): avsc.Type | undefined {
  const [first, ...rest] = steps
  if (first === undefined) return type
  if (avsc.Type.isType(type, 'union'))
    return (type as avsc.types.WrappedUnionType).types
      .map((branch) => typeAt(branch, steps))
      .find((found) => found !== undefined)
  if (!avsc.Type.isType(type, 'record')) return undefined
  const field = (type as avsc.types.RecordType).fields.find(({ name }) => name === first)
  return field === undefined ? undefined : typeAt(field.type, rest)
}

/** Schemas by key, parsed; what cannot be parsed is remembered too, so that a stream of such values costs little. */
class WriterCache {
  readonly #writers = new Map<string, Writer | InvalidRecordError>()

  /** Throws InvalidRecordError when the schema is unknown or not Avro. */
  of({ key, id }: { key: string; id: number }, schemaOf: (key: string) => string | undefined): Writer {
    let writer = this.#writers.get(key)
    if (writer === undefined) {
      const schema = schemaOf(key)
      if (schema === undefined)
        throw new InvalidRecordError(
          `schema ${id} is unknown to the schema registry: register it, then kindred quarantine replay`,
        )
      writer = parsedWriter(schema, `schema ${id}`)
      if (this.#writers.size >= writerSchemasMax) this.#writers.delete(this.#writers.keys().next().value!)
      this.#writers.set(key, writer)
    }
    if (writer instanceof InvalidRecordError)
      throw new InvalidRecordError(writer.message, { cause: writer.cause })
    return writer
  }
}

function parsedWriter(schema: string, name: string): Writer | InvalidRecordError {
  try {
    return new Writer(schema, name)
  } catch (error) {
    return new InvalidRecordError(`${name} is no Avro schema that can be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function localWriter(schema: string | undefined): Writer {
  if (schema === undefined)
    throw new UsageError('values in bare Avro need the schema that they are written with: give its file')
  const writer = parsedWriter(schema, 'the local Avro schema')
  if (writer instanceof InvalidRecordError) throw new UsageError(writer.message, { cause: writer.cause })
  return writer
}

/** Keys are kept in the store: a password has no place there. */
function withoutCredentials(registry: string): string {
  const url = URL.canParse(registry) ? new URL(registry) : undefined
  if (url === undefined) return registry
  url.username = ''
  url.password = ''
  return url.href.replace(/\/+$/, '')
}
