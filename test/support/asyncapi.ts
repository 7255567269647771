// What schemas/asyncapi.json says of messages, as a check of what is really on a topic.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

type Schemas = Readonly<Record<string, { readonly properties: object }>>

const { schemas } = (
  JSON.parse(readFileSync(new URL('../../../schemas/asyncapi.json', import.meta.url), 'utf8')) as {
    components: { schemas: Schemas }
  }
).components
const ajv = new Ajv({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema({ components: { schemas } }, 'asyncapi')

/** The value is as the document's schema of this name says. */
export function assertDescribed(name: string, value: unknown): void {
  ajv.validate({ $ref: `asyncapi#/components/schemas/${name}` }, value)
  assert.equal(ajv.errors, null, `${name}: ${JSON.stringify(ajv.errors)} of ${JSON.stringify(value)}`)
}

/** So it is, and every property is described. */
export function assertWholly(name: string, value: object): void {
  assertDescribed(name, value)
  const described = Object.keys(schemas[name]!.properties)
  assert.deepEqual(
    Object.keys(value).filter((key) => !described.includes(key)),
    [],
    `${name} describes all of it`,
  )
}
