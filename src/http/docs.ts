// The OpenAPI document as a page: whole as it comes, without scripts and without anything from elsewhere.
import type { OpenApiDocument } from './openapi.ts'

type Schema = {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly additionalProperties?: Schema | boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: unknown
}
type Content = Readonly<Record<string, { readonly schema?: Schema }>>
type Operation = {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly description?: string
    readonly schema: Schema
  }[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>
}

const style = `
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem 1.5rem 4rem;color:#1b1b1b;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}details{border:1px solid #ddd;border-radius:6px;margin:.6rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code{font-size:.9em;background:#f2f2f2;padding:.1em .3em;border-radius:3px}
b.method{display:inline-block;min-width:4.2rem}table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-top:1px solid #eee}
@media(prefers-color-scheme:dark){body{background:#161616;color:#e6e6e6}code{background:#2a2a2a}a{color:#8ab4f8}details{border-color:#444}td,th{border-color:#333}}`

export function docsPage(document: OpenApiDocument): string {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      operation: operation as unknown as Operation,
    })),
  )
  const sections = document.tags.map(({ name, description }) => {
    const of = all.filter(({ operation }) => operation.tags.includes(name))
    return `<h2>${text(name)}</h2><p>${text(description)}</p>${of.map(operationOf).join('')}`
  })
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) =>
      `<details id="${text(name)}"><summary><b>${text(name)}</b></summary>${schemaOf(schema as Schema)}</details>`,
  )
  const { title, version, description } = document.info
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${text(title)} API</title><style>${style}</style></head><body><h1>${text(title)} API ${text(version)}</h1><p>${text(description)}</p><p><a href="openapi.json">openapi.json</a></p>${sections.join('')}<h2>schemas</h2>${schemas.join('')}</body></html>`
}

function operationOf({
  path,
  method,
  operation,
}: {
  path: string
  method: string
  operation: Operation
}): string {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation
  const given = parameters.map(
    (parameter) =>
      `<tr><td><code>${text(parameter.name)}</code></td><td>${text(parameter.in)}</td><td>${typeOf(parameter.schema)}</td><td>${text(parameter.description ?? '')}</td></tr>`,
  )
  const answers = Object.entries(responses).map(
    ([code, response]) =>
      `<tr><td><b>${text(code)}</b></td><td>${text(response.description)}</td><td>${contentOf(response.content)}</td></tr>`,
  )
  return `<details id="${text(operationId)}"><summary><b class="method">${method}</b><code>${text(path)}</code> ${text(summary)}</summary>${description === undefined ? '' : `<p>${text(description)}</p>`}${given.length === 0 ? '' : `<table>${given.join('')}</table>`}${requestBody === undefined ? '' : `<p>Body: ${contentOf(requestBody.content)}</p>`}<table>${answers.join('')}</table></details>`
}

function contentOf(content: Content = {}): string {
  return Object.entries(content)
    .map(([type, { schema }]) => `<code>${text(type)}</code> ${schema === undefined ? '' : typeOf(schema)}`)
    .join('<br>')
}

function schemaOf(schema: Schema): string {
  const about = schema.description === undefined ? '' : `<p>${text(schema.description)}</p>`
  if (schema.properties === undefined) return `${about}<p>${typeOf(schema)}</p>`
  const rows = Object.entries(schema.properties).map(([name, property]) => {
    const optional = schema.required?.includes(name) === true ? '' : ' (may be missing)'
    return `<tr><td><code>${text(name)}</code></td><td>${typeOf(property)}</td><td>${text(property.description ?? '')}${optional}</td></tr>`
  })
  return `${about}<table>${rows.join('')}</table>`
}

/** A schema in a few words. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = text(schema.$ref.split('/').at(-1))
    return `<a href="#${name}">${name}</a>`
  }
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.enum !== undefined) return schema.enum.map((value) => `<code>${text(value)}</code>`).join(' ')
  if (schema.const !== undefined) return `<code>${text(schema.const)}</code>`
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`
  if (schema.properties !== undefined)
    return `{ ${Object.entries(schema.properties)
      .map(([name, property]) => `<code>${text(name)}</code>: ${typeOf(property)}`)
      .join(', ')} }`
  if (typeof schema.additionalProperties === 'object')
    return `{ name: ${typeOf(schema.additionalProperties)} }`
  const range =
    schema.minimum !== undefined && schema.maximum !== undefined && schema.maximum < Number.MAX_SAFE_INTEGER
      ? ` ${schema.minimum} to ${schema.maximum}`
      : ''
  const otherwise = schema.default === undefined ? '' : `, ${text(schema.default)} unless said`
  return `${text([schema.type ?? 'anything'].flat().join(' or '))}${range}${otherwise}`
}

function text(value: unknown): string {
  return String(value)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
