// Requests as they are written: no client between that mends a path.
import { Agent, request } from 'node:http'
import type { FastifyInstance } from 'fastify'

export type RawReply = { readonly status: number; readonly body: string }
export type RawClient = AsyncDisposable & {
  send(method: string, path: string, body?: string): Promise<RawReply>
}

/** The application on a free port, and a client of it. */
export async function rawClient(app: FastifyInstance): Promise<RawClient> {
  const address = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    send: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { 'content-type': 'application/json' }
        const sent = request(
          { host: address.hostname, port: address.port, method, path, agent, headers },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', () =>
              resolve({ status: response.statusCode!, body: Buffer.concat(chunks).toString('utf8') }),
            )
            response.on('error', reject)
          },
        )
        sent.on('error', reject)
        sent.end(body)
      }),
    async [Symbol.asyncDispose]() {
      agent.destroy()
    },
  }
}
