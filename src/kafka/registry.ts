// Client of a Confluent-compatible schema registry: schemas by id for what is read, registration for what is written.
import { deadlineIn } from '../deadline.ts'
import { FatalError, InvalidRecordError, messageOf, TransientError } from '../errors.ts'

export type RegistryOptions = {
  /** Base URL; credentials in it are used and never shown. */
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly timeoutMs?: number | undefined
}

/** Schemas kept by id; ids never change their schema. */
const cachedMax = 256
const timeoutMsDefault = 10_000
const schemaBytesMax = 4 * 1024 * 1024
/** Characters of a registry's own message that are repeated in ours. */
const reasonLengthMax = 300

const contentType = 'application/vnd.schemaregistry.v1+json'

export class SchemaRegistry {
  /** The base URL without credentials and without a slash at its end. */
  readonly url: string
  readonly #authorization: string | undefined
  readonly #timeoutMs: number
  readonly #schemas = new Map<number, string>()

  /** Throws FatalError when the URL is none. */
  constructor({ url, user, password, timeoutMs = timeoutMsDefault }: RegistryOptions) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      throw new FatalError('the schema registry needs a URL that begins with http:// or https://')
    const base = new URL(url)
    const name = user ?? decodeURIComponent(base.username)
    const secret = password ?? decodeURIComponent(base.password)
    base.username = ''
    base.password = ''
    this.url = base.href.replace(/\/+$/, '')
    this.#timeoutMs = timeoutMs
    if (name !== '' || secret !== '')
      this.#authorization = `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
  }

  /**
   * The Avro schema (JSON text) of this id; undefined when the registry does not know it. Throws TransientError when the
   * registry cannot answer now, InvalidRecordError when the schema is not one that can be read.
   */
  async schemaById(id: number, signal?: AbortSignal): Promise<string | undefined> {
    const known = this.#schemas.get(id)
    if (known !== undefined) return known
    const { status, body } = await this.#call(`/schemas/ids/${id}`, { method: 'GET' }, signal)
    if (status === 404) {
      // 404xx says what was not found; a plain 404 comes from something that is no registry, or from a wrong path
      if (body.error_code !== undefined && body.error_code > 40_400 && body.error_code < 40_500)
        return undefined
      throw new TransientError(
        `the schema registry at ${this.url} answers schema ${id} with 404 and no code of a registry: is this its base URL?`,
      )
    }
    if (status !== 200)
      throw new TransientError(`the schema registry at ${this.url} answers ${said(status, body)}`)
    const schema = avroSchemaOf(body, id)
    if (this.#schemas.size >= cachedMax) this.#schemas.delete(this.#schemas.keys().next().value!)
    this.#schemas.set(id, schema)
    return schema
  }

  /**
   * Registers an Avro schema under the subject and gives its id; the same schema again gives the same id. Throws FatalError
   * when the registry refuses the schema, TransientError when it cannot answer now.
   */
  async register(subject: string, schema: string, signal?: AbortSignal): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`
    const { status, body } = await this.#call(
      path,
      { method: 'POST', body: JSON.stringify({ schema }) },
      signal,
    )
    if (status === 409)
      throw new FatalError(
        `the schema registry refuses the schema of subject ${subject}: it is incompatible with the one registered there (${said(status, body)}); ` +
          `delete the subject, set its compatibility to what lets both pass, or use another topic`,
      )
    if (status === 422)
      throw new FatalError(
        `the schema registry refuses the schema of subject ${subject}: it is invalid or incompatible there (${said(status, body)}); ` +
          `see what is registered under the subject, or use another topic`,
      )
    if (status !== 200 || !Number.isInteger(body.id))
      throw new TransientError(
        `the schema registry at ${this.url} answers ${said(status, body)} to subject ${subject}`,
      )
    return body.id as number
  }

  async #call(path: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Answer> {
    using deadline = deadlineIn(this.#timeoutMs, signal)
    const headers: Record<string, string> = { accept: `${contentType}, application/json` }
    if (init.method === 'POST') headers['content-type'] = contentType
    if (this.#authorization !== undefined) headers.authorization = this.#authorization
    let answer: Answer
    try {
      const response = await fetch(this.url + path, { ...init, headers, signal: deadline.signal })
      answer = { status: response.status, body: bodyOf(await response.text()) }
    } catch (error) {
      signal?.throwIfAborted()
      const why = deadline.passed
        ? `does not answer within ${this.#timeoutMs} ms`
        : `cannot be reached: ${messageOf(error)}`
      throw new TransientError(`the schema registry at ${this.url} ${why}`, { cause: error })
    }
    const { status, body } = answer
    if (status === 401 || status === 403)
      throw new TransientError(
        `the schema registry at ${this.url} refuses the credentials (${status}): check its user and password`,
      )
    if (status === 429 || status >= 500)
      throw new TransientError(`the schema registry at ${this.url} answers ${said(status, body)}`)
    return answer
  }
}

/** What registries answer with; any field may be missing. */
type Body = {
  readonly id?: unknown
  readonly schema?: unknown
  readonly schemaType?: unknown
  readonly references?: unknown
  readonly error_code?: number
  readonly message?: unknown
}
type Answer = { readonly status: number; readonly body: Body }

function bodyOf(text: string): Body {
  if (text.length > schemaBytesMax) return { message: `an answer of ${text.length} characters` }
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? body : {}
  } catch {
    return {} // a proxy's page; the status says enough
  }
}

function avroSchemaOf({ schema, schemaType = 'AVRO', references }: Body, id: number): string {
  if (schemaType !== 'AVRO')
    throw new InvalidRecordError(
      `schema ${id} is of type ${schemaType}; values are read in Avro or JSON alone`,
    )
  if (Array.isArray(references) && references.length > 0)
    throw new InvalidRecordError(
      `schema ${id} refers to other schemas of the registry, which is not supported: register it with their definitions in place`,
    )
  if (typeof schema !== 'string')
    throw new InvalidRecordError(`the schema registry's answer for schema ${id} holds no schema`)
  return schema
}

function said(status: number, { message }: Body): string {
  if (typeof message !== 'string') return String(status)
  const reason = message.replaceAll(/\s+/g, ' ')
  return `${status}: ${reason.length > reasonLengthMax ? `${reason.slice(0, reasonLengthMax)}…` : reason}`
}
