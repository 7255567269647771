// Requests as they are written: no client between that mends a path.
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import type { FastifyInstance } from 'fastify'

export type RawReply = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
export type RawBody = { readonly bytes: string | Uint8Array; readonly type?: string }
export type RawClient = AsyncDisposable & {
  /** A body is JSON unless it says otherwise; of a stream that does not end, what came first is left unread. */
  send(
    method: string,
    path: string,
    body?: string | RawBody,
    headers?: Record<string, string>,
  ): Promise<RawReply>
}

/** The application on a free port, and a client of it. */
export async function rawClient(app: FastifyInstance): Promise<RawClient> {
  const address = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const client: RawClient = {
    send: (method, path, body, given = {}) =>
      new Promise((resolve, reject) => {
        const { bytes, type = 'application/json' } =
          typeof body === 'string' ? { bytes: body } : (body ?? { bytes: undefined })
        // said for every method: Node leaves it out for those that usually have no body
        const length = bytes === undefined ? 0 : Buffer.byteLength(bytes)
        const headers =
          bytes === undefined ? given : { 'content-type': type, 'content-length': String(length), ...given }
        const sent = request(
          { host: address.hostname, port: address.port, method, path, agent, headers },
          (response) => {
            const chunks: Buffer[] = []
            const done = () =>
              resolve({
                status: response.statusCode!,
                headers: response.headers,
                body: Buffer.concat(chunks).toString('utf8'),
              })
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', done)
            response.on('error', reject)
            if (response.headers['content-type']?.startsWith('text/event-stream') !== true) return
            response.removeAllListeners('error').on('error', () => undefined)
            response.destroy()
            done()
          },
        )
        sent.on('error', (error: NodeJS.ErrnoException) => {
          // a kept connection that was closed while this request was on its way: it goes by another
          if (sent.reusedSocket && error.code === 'ECONNRESET')
            client.send(method, path, body, given).then(resolve, reject)
          else reject(error)
        })
        sent.end(bytes)
      }),
    async [Symbol.asyncDispose]() {
      agent.destroy()
    },
  }
  return client
}
