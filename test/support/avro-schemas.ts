// Versions of a schema, as writers and readers of other days would have them.
import avsc from 'avsc'

type Field = { readonly name: string; readonly [more: string]: unknown }
type RecordSchema = { readonly fields: readonly Field[]; readonly [more: string]: unknown }

/** The schema's text with its fields changed; `more` replaces attributes of the record. */
export function evolved(
  schema: string,
  change: (fields: readonly Field[]) => readonly Field[],
  more: Record<string, unknown> = {},
): string {
  const record = JSON.parse(schema) as RecordSchema
  return JSON.stringify({ ...record, fields: change(record.fields), ...more })
}

/** Each field with attributes replaced, by name. */
export function withFields(changes: Record<string, Record<string, unknown>>) {
  return (fields: readonly Field[]) => fields.map((field) => ({ ...field, ...changes[field.name] }))
}

export function without(name: string) {
  return (fields: readonly Field[]) => fields.filter((field) => field.name !== name)
}

/** Body bytes of a value by the schema, written by plain avsc. */
export function written(schema: string, value: unknown): Buffer {
  return avsc.Type.forSchema(JSON.parse(schema)).toBuffer(value)
}

/** A record's schema of these fields, each `name: type`. */
export function recordOf(fields: Record<string, unknown>, name = 'Order'): string {
  return JSON.stringify({
    type: 'record',
    name,
    fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
  })
}
