// Values from JSON Schema: such as it takes, with those at the edges of it more often than not, and such as it does not.
import fc from 'fast-check'
import { oddIds } from './bad-records.ts'

export type Schema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly format?: string
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}
/** What schemas cannot say: values of properties by name. And texts that mean something to the service. */
export type Known = {
  readonly schemas: Readonly<Record<string, unknown>>
  readonly byName: Readonly<Record<string, fc.Arbitrary<unknown>>>
  readonly texts: readonly string[]
}

const itemsShown = 4

/** Values that the schema takes. */
export function taken(schema: Schema, known: Known, name = ''): fc.Arbitrary<unknown> {
  const special = known.byName[name]
  if (special !== undefined) return special
  const resolved = resolve(schema, known)
  const { anyOf, type } = resolved
  if (anyOf !== undefined) return fc.oneof(...anyOf.map((one) => taken(one, known, name)))
  if (resolved.enum !== undefined) return fc.constantFrom(...resolved.enum)
  if (resolved.const !== undefined) return fc.constant(resolved.const)
  if (Array.isArray(type)) return fc.oneof(...type.map((one) => taken({ ...resolved, type: one }, known)))
  switch (type) {
    case 'string':
      return textOf(resolved, known)
    case 'integer':
      return wholeOf(resolved)
    case 'number': {
      const { minimum: min = -1e9, maximum: max = 1e9 } = resolved
      return fc.oneof(fc.constantFrom(min, max, (min + max) / 2), fc.double({ min, max, noNaN: true }))
    }
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return listOf(resolved, known)
    case 'object':
      return objectOf(resolved, known)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function resolve(schema: Schema, { schemas }: Known): Schema {
  return schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1)!] as Schema)
}

function textOf({ pattern, format, minLength = 0, maxLength = 300 }: Schema, { texts }: Known) {
  if (format === 'date-time')
    return fc
      .date({ min: new Date(0), max: new Date('2099-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString())
  if (format === 'date') return fc.constantFrom('1970-01-01', '2024-02-29', '2099-12-31')
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  const fits = (text: string) =>
    text.length >= minLength && Buffer.byteLength(text) <= maxLength && text.isWellFormed()
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...texts) },
    { weight: 2, arbitrary: fc.constantFrom(...oddIds).filter(fits) },
    { weight: 1, arbitrary: fc.constant('x'.repeat(maxLength)) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', minLength, maxLength: 12 }).filter(fits) },
  )
}

function wholeOf({ minimum: min = Number.MIN_SAFE_INTEGER, maximum: max = Number.MAX_SAFE_INTEGER }: Schema) {
  const edges = [min, min + 1, max - 1, max, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40]
  return fc.oneof(
    fc.constantFrom(...edges.filter((value) => value >= min && value <= max)),
    fc.integer({ min: Math.max(min, 0), max: Math.min(max, 2000) }),
    fc.maxSafeNat().map((value) => Math.max(min, value % Math.max(1, max))),
  )
}

function listOf({ items = {}, minItems = 0, maxItems = itemsShown }: Schema, known: Known) {
  return fc.array(taken(items, known), {
    minLength: minItems,
    maxLength: Math.max(minItems, Math.min(maxItems, itemsShown)),
  })
}

function objectOf({ properties = {}, required = [] }: Schema, known: Known): fc.Arbitrary<object> {
  return fc.record(
    Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => [name, taken(schema, known, name)]),
    ),
    { requiredKeys: [...required] },
  )
}

/** Texts that a parameter of this schema does not take; none for one that takes any text. */
export function refusedTexts(schema: Schema, known: Known): readonly string[] {
  const { type, minimum, maximum, minLength, maxLength, pattern, anyOf, ...rest } = resolve(schema, known)
  if (rest.enum !== undefined) return ['', 'none-of-these', '__proto__']
  if (type === 'integer')
    return [
      ...[
        '',
        'x',
        '1.5',
        '1e3',
        '0x10',
        '-1',
        '--',

        '١',
        '1,1',
        'null',
        '9'.repeat(17),
        '9'.repeat(400),
      ],
      ...(minimum !== undefined && minimum > 0 ? [String(minimum - 1)] : []),
      ...(maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? [String(maximum + 1)] : []),
    ]
  if (type !== 'string') return []
  return [
    ...(minLength !== undefined && minLength > 0 ? [''] : []),
    ...(maxLength === undefined ? [] : ['y'.repeat(maxLength + 1)]),
    ...(pattern === undefined ? [] : ['no such form']),
  ]
}

/** Bodies that the schema does not take, made of one that it does. */
export function refusedBodies(schema: Schema, known: Known): fc.Arbitrary<unknown> {
  const whole = resolve(schema, known)
  const object = whole.anyOf === undefined ? whole : resolve(whole.anyOf[0]!, known)
  const required = object.required ?? []
  const never = fc.constantFrom<unknown>(17, 'text', true, null, [[]])
  if (required.length === 0) return never
  return fc.oneof(
    never,
    fc
      .tuple(
        taken(object, known),
        fc.constantFrom(...required),
        fc.constantFrom<unknown>(undefined, {}, [[]]),
      )
      .map(([value, name, other]) => ({ ...(value as object), [name]: other })),
  )
}
