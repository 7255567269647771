// Avro types that read bytes of unknown origin: avsc's, with what it lacks against poison, and with values as events want them.
//
// avsc trusts counts and lengths: an array of 2⁵⁰ items in ten bytes is a loop without end, a block of negative size another.
// Here a value has no more items than bytes, text is UTF-8, unions come unwrapped, and a long beyond 2⁵³ comes as a bigint.
import { isUtf8 } from 'node:buffer'
import avsc from 'avsc'

/** The part of avsc's reading head that is used here. */
type Tap = {
  readonly buf: Buffer
  pos: number
  /** Items read so far of arrays and maps: this module's own. */
  items?: number
  readLong(): number
  readString(): string
  skipLong(): void
  skipString(): void
}
type Node = { _read(tap: Tap): unknown; _skip(tap: Tap): void }

const varintBytesMax = 10
/** avsc's arithmetic is in doubles, before the halving of zigzag: from here on its sums are rounded, and signs lost. */
const zigzagExact = 2 ** 52
const decimalBytesMax = 64
const msOfDay = 86_400_000

/** Parses the schema of our own values, which are read into records with our defaults. Throws what avsc throws. */
export function parseReaderSchema(text: string): avsc.Type {
  return avsc.Type.forSchema(JSON.parse(text), { typeHook: hookOf('reader') as never })
}

/** Parses the schema that foreign bytes were written with. Its defaults do not matter for reading: they are left out. */
export function parseWriterSchema(text: string): avsc.Type {
  const schema = JSON.parse(text, (key, value) => (key === 'default' ? undefined : value))
  return avsc.Type.forSchema(schema, {
    logicalTypes: logicalTypes as never,
    typeHook: hookOf('writer') as never,
  })
}

/** Reads one value that fills the bytes from `start` to the end. Throws an Error that says what is wrong with them. */
export function readAvro(
  type: avsc.Type,
  { bytes, start, resolver }: { bytes: Buffer; start: number; resolver: ResolverOf | undefined },
): unknown {
  const { value, offset } = type.decode(bytes, start, resolver)
  if (offset < 0) throw new Error(`truncated after ${bytes.length} bytes`)
  if (offset < bytes.length) throw new Error(`${bytes.length - offset} bytes too long`)
  return value
}

export type ResolverOf = ReturnType<avsc.Type['createResolver']>

/** Whether avsc converts values of this type by its logical type, so that its plain value is not what it says. */
export function isConverted(type: avsc.Type): boolean {
  if (avsc.Type.isType(type, 'union'))
    return (type as avsc.types.WrappedUnionType).types.some((branch) => isConverted(branch))
  return avsc.Type.isType(type, 'logical') && type.typeName !== 'logical:timestamp-millis'
}

/** Whether the type says itself that its values are times, whatever unit they are written in. */
export function isTime(type: avsc.Type): boolean {
  if (avsc.Type.isType(type, 'union'))
    return (type as avsc.types.WrappedUnionType).types.some((branch) => isTime(branch))
  return avsc.Type.isType(type, 'logical:timestamp', 'logical:local-timestamp', 'logical:date')
}

function budget(tap: Tap, count: number): void {
  tap.items = (tap.items ?? 0) + count
  if (!(tap.items <= tap.buf.length)) throw new Error('it counts more items than it has bytes')
}

/** The count of a block's items, whose size in bytes may be told: then the count is negative. */
function blockCount(tap: Tap): number {
  let count = tap.readLong()
  if (count < 0) {
    count = -count
    tap.skipLong()
  }
  budget(tap, count)
  return count
}

function skipBlocks(tap: Tap, skipItem: () => void): void {
  for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
    if (count < 0) {
      const size = tap.readLong()
      if (!(size >= 0)) throw new Error(`a block of ${size} bytes`)
      tap.pos += size
    } else {
      budget(tap, count)
      for (let i = 0; i < count; i++) skipItem()
    }
  }
}

class BoundedArray extends avsc.types.ArrayType {
  _read(this: { itemsType: Node }, tap: Tap): unknown[] {
    const items: unknown[] = []
    for (let count = blockCount(tap); count !== 0; count = blockCount(tap))
      for (let i = 0; i < count; i++) items.push(this.itemsType._read(tap))
    return items
  }
  _skip(tap: Tap): void {
    const item = this.itemsType as unknown as Node
    skipBlocks(tap, () => item._skip(tap))
  }
}

class BoundedMap extends avsc.types.MapType {
  _read(this: { valuesType: Node }, tap: Tap): Record<string, unknown> {
    const values: Record<string, unknown> = Object.create(null)
    for (let count = blockCount(tap); count !== 0; count = blockCount(tap))
      for (let i = 0; i < count; i++) {
        const key = tap.readString()
        values[key] = this.valuesType._read(tap)
      }
    return values
  }
  _skip(tap: Tap): void {
    const value = this.valuesType as Node
    skipBlocks(tap, () => {
      tap.skipString()
      value._skip(tap)
    })
  }
}

class PlainUnion extends avsc.types.WrappedUnionType {
  _read(tap: Tap): unknown {
    return branchAt(this.types, tap)._read(tap)
  }
  _skip(tap: Tap): void {
    branchAt(this.types, tap)._skip(tap)
  }
}

function branchAt(types: readonly avsc.Type[], tap: Tap): Node {
  const index = tap.readLong()
  const branch = types[index]
  if (branch === undefined) throw new Error(`a union of ${types.length} types has no branch ${index}`)
  return branch as unknown as Node
}

class Utf8String extends avsc.types.StringType {
  _read(tap: Tap): string | undefined {
    const start = tap.pos
    const text = tap.readString()
    if (text?.includes('\ufffd') && !isUtf8(tap.buf.subarray(tap.pos - lengthAt(tap, start), tap.pos)))
      throw new Error('a string that is not valid UTF-8')
    return text
  }
}

/** The length in bytes of the string that begins at `start`. */
function lengthAt(tap: Tap, start: number): number {
  const end = tap.pos
  tap.pos = start
  const length = tap.readLong()
  tap.pos = end
  return length
}

class StrictLong extends avsc.types.LongType {
  _read(tap: Tap): number {
    const value = longAt(tap)
    if (typeof value === 'bigint') throw new Error(`${value} lies beyond 2^53: send it as a string`)
    return value
  }
}

class WideLong extends avsc.types.LongType {
  _read(tap: Tap): number | bigint {
    return longAt(tap)
  }
}

function longAt(tap: Tap): number | bigint {
  const start = tap.pos
  const value = tap.readLong()
  if (tap.pos - start > varintBytesMax) throw new Error('a number of more than 64 bits')
  if (value < zigzagExact && value > -zigzagExact) return value
  let bits = 0n
  for (let i = tap.pos - 1; i >= start; i--) bits = (bits << 7n) | BigInt((tap.buf[i] ?? 0) & 0x7f)
  const long = BigInt.asIntN(64, (bits >> 1n) ^ -(bits & 1n))
  return Number.isSafeInteger(Number(long)) ? Number(long) : long
}

const utf8String = new Utf8String()
const strictLong = new StrictLong()
const wideLong = new WideLong()

/** avsc asks for every schema that it meets; what is undefined here it builds itself. */
function hookOf(side: 'reader' | 'writer') {
  return (schema: unknown, options: unknown): avsc.Type | undefined => {
    // a reader's unions keep avsc's own class, which knows how to resolve into a branch
    if (Array.isArray(schema)) return side === 'writer' ? new PlainUnion(schema as never, options) : undefined
    const { type, logicalType = '' } = (typeof schema === 'object' ? schema : { type: schema }) as {
      type?: unknown
      logicalType?: string
    }
    if (side === 'writer' && Object.hasOwn(logicalTypes, logicalType)) return undefined
    switch (type) {
      case 'string':
        return utf8String
      case 'long':
        return side === 'writer' ? wideLong : strictLong
      case 'array':
        return new BoundedArray(schema as never, options as never)
      case 'map':
        return new BoundedMap(schema as never, options)
      default:
        return undefined
    }
  }
}

class Converted extends avsc.types.LogicalType {
  protected override _resolve(): undefined {
    return undefined // only ever the writer's side
  }
}

class Millis extends Converted {
  protected override _fromValue(ms: number): number {
    return ms
  }
}

class Micros extends Converted {
  protected override _fromValue(micros: number): number {
    return Math.floor(micros / 1000)
  }
}

class Days extends Converted {
  protected override _fromValue(days: number): number {
    return days * msOfDay
  }
}

/** A local time is no point in time: it becomes ISO text without a zone, which is refused where a time is asked for. */
class LocalMillis extends Converted {
  protected override _fromValue(ms: number): string {
    return Math.abs(ms) > 8.64e15 ? `local time ${ms}` : new Date(ms).toISOString().slice(0, -1)
  }
}

class LocalMicros extends LocalMillis {
  protected override _fromValue(micros: number): string {
    return super._fromValue(Math.floor(micros / 1000))
  }
}

/** Two's complement, big-endian, of the unscaled value. */
class Decimal extends Converted {
  readonly #scale: number
  constructor(schema: { scale?: number }, options: unknown) {
    super(schema as never, options)
    const { scale = 0 } = schema
    if (!Number.isInteger(scale) || scale < 0) throw new Error(`a decimal of scale ${scale}`)
    this.#scale = scale
  }
  protected override _fromValue(bytes: Buffer | undefined): number {
    if (bytes === undefined || bytes.length === 0) return 0 // undefined: cut off, which is told at the end
    if (bytes.length > decimalBytesMax) throw new Error(`a decimal of ${bytes.length} bytes`)
    const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
    return Number(`${unscaled}e-${this.#scale}`)
  }
}

const logicalTypes: Readonly<Record<string, unknown>> = {
  'timestamp-millis': Millis,
  'timestamp-micros': Micros,
  'local-timestamp-millis': LocalMillis,
  'local-timestamp-micros': LocalMicros,
  date: Days,
  decimal: Decimal,
}
