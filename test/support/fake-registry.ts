// A schema registry on a real port: speaks the part of Confluent's protocol that we use, and can be made to fail.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Stored = {
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly unknown[]
}
type Failure = { readonly status: number } | 'hang'

export type FakeRegistry = {
  readonly url: string
  /** By id, from 1. */
  readonly schemas: Map<number, Stored>
  /** Subjects, each with the ids registered under it. */
  readonly subjects: Map<string, number[]>
  /** What was asked, as `METHOD path`, with the authorization it came with. */
  readonly requests: { readonly line: string; readonly authorization: string | undefined }[]
  /** From now on every request fails: with a status (503), or without an answer at all. */
  down(failure?: Failure): void
  up(): void
  /** Refuses the next registrations of this subject as incompatible. */
  refuse(subject: string, status?: 409 | 422): void
  /** Stores a schema as if somebody had registered it; gives its id. */
  register(schema: string, more?: Omit<Stored, 'schema'>): number
  stop(): Promise<void>
}

export async function startFakeRegistry(): Promise<FakeRegistry> {
  const schemas = new Map<number, Stored>()
  const subjects = new Map<string, number[]>()
  const requests: { line: string; authorization: string | undefined }[] = []
  const refused = new Map<string, number>()
  let failure: Failure | undefined

  function register(schema: string, more: Omit<Stored, 'schema'> = {}): number {
    for (const [id, stored] of schemas) if (stored.schema === schema) return id
    const id = schemas.size + 1
    schemas.set(id, { schema, ...more })
    return id
  }

  function registerUnder(subject: string, text: string): Reply {
    const status = refused.get(subject)
    if (status !== undefined)
      return [
        status,
        { error_code: status === 409 ? 409 : 42201, message: 'Schema being registered is incompatible' },
      ]
    const id = register((JSON.parse(text) as { schema: string }).schema)
    const ids = subjects.get(subject) ?? []
    subjects.set(subject, ids.includes(id) ? ids : [...ids, id])
    return [200, { id }]
  }

  async function answer(request: IncomingMessage): Promise<Reply | undefined> {
    const { method = '', url: path = '' } = request
    requests.push({ line: `${method} ${path}`, authorization: request.headers.authorization })
    const text = await bodyOf(request)
    if (failure === 'hang') return undefined
    if (failure !== undefined)
      return [failure.status, { error_code: failure.status, message: 'made to fail' }]
    const byId = /^\/schemas\/ids\/(\d+)$/.exec(path)
    if (method === 'GET' && byId) {
      const stored = schemas.get(Number(byId[1]))
      return stored === undefined ? [404, { error_code: 40403, message: 'Schema not found' }] : [200, stored]
    }
    const versions = /^\/subjects\/([^/]+)\/versions$/.exec(path)
    if (method === 'POST' && versions) return registerUnder(decodeURIComponent(versions[1]!), text)
    return [404, { error_code: 404, message: 'HTTP 404 Not Found' }]
  }

  const server = createServer((request, response) => {
    answer(request).then(
      (reply) => reply && send(response, reply),
      (error: unknown) => send(response, [500, { error_code: 50001, message: String(error) }]),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    schemas,
    subjects,
    requests,
    register,
    down(next = { status: 503 }) {
      failure = next
    },
    up() {
      failure = undefined
      refused.clear()
    },
    refuse(subject, status = 409) {
      refused.set(subject, status)
    },
    stop() {
      server.closeAllConnections()
      return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())))
    },
  }
}

type Reply = readonly [status: number, body: object]

function send(response: ServerResponse, [status, body]: Reply): void {
  response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
  response.end(JSON.stringify(body))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
