// Traces of a real serve by the real SDK, received over OTLP: a request continues its client's trace, a receiver of webhooks
// can continue ours, and what runs in other threads is told as well. Without an SDK there is nothing.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { begin, continuing, tracer } from '../../src/tracing/tracing.ts'
import { withDirectory } from '../support/command.ts'
import { serve } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { startReceiver } from '../support/webhook-receiver.ts'
import { hookEnv, labelShop, purchasesOf, subscribe } from '../support/webhook-shop.ts'

const sdk = new URL('../support/otel-sdk.js', import.meta.url)

type Attribute = { key: string; value: Record<string, unknown> }
type Span = {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: readonly Attribute[]
  readonly status: { readonly code?: number }
}
type Export = { resourceSpans: { scopeSpans: { scope: { name: string }; spans: Span[] }[] }[] }

/** A collector: takes OTLP over HTTP as JSON. */
async function startCollector() {
  const spans: Span[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Export
      for (const { scopeSpans } of resourceSpans)
        for (const { scope, spans: of } of scopeSpans) if (scope.name === 'kindred') spans.push(...of)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    spans,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function attribute({ attributes }: Span, name: string): unknown {
  const found = attributes.find(({ key }) => key === name)?.value
  return found && Object.values(found)[0]
}

describe('traces', () => {
  it('are not made without an SDK', () => {
    assert.equal(tracer, undefined)
    assert.equal(begin('anything'), undefined)
    assert.deepEqual(continuing(undefined), {})
  })

  it('continue the client’s, and tell of batches, the relay and webhooks', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await labelShop(dir, data)
      await using collector = await startCollector()
      await using receiver = await startReceiver((_received, n) => ({ status: n === 0 ? 500 : 204 }))
      const server = await serve(data, {
        env: {
          ...hookEnv,
          NODE_OPTIONS: `--import ${fileURLToPath(sdk)}`,
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        },
      })
      const { id } = await subscribe(server, { url: receiver.url })
      const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
      const parent = '00f067aa0ba902b7'
      const headers = { traceparent: `00-${traceId}-${parent}-01`, 'x-request-id': 'one' }
      assert.equal((await fetch(`${server.url}/v1/users/nobody/personas`, { headers })).status, 404)
      await server.post(purchasesOf(['user-of-the-shop']))
      await until('a webhook was delivered', () => receiver.received.length >= 2)
      assert.equal((await server.stop()).code, 0)

      const of = (name: string) => collector.spans.filter((span) => span.name === name)
      const [request] = of('GET /v1/users/:id/personas')
      assert.deepEqual([request?.traceId, request?.parentSpanId], [traceId, parent])
      assert.equal(attribute(request!, 'http.response.status_code'), 404)
      assert.equal(attribute(request!, 'kindred.request_id'), 'one')
      assert.ok(!JSON.stringify(request).includes('nobody'), 'users are not told of')
      const batch = of('kindred.batch').find((span) => attribute(span, 'kindred.records') === 7)
      assert.ok(batch !== undefined, `batches of ${of('kindred.batch').length}`)
      for (const part of ['kindred.batch.apply', 'kindred.batch.commit'])
        assert.ok(
          of(part).some((span) => span.parentSpanId === batch.spanId && span.traceId === batch.traceId),
          part,
        )
      assert.ok(of('kindred.relay').some((span) => attribute(span, 'kindred.sink') === 'webhooks'))
      const [failed, delivered] = receiver.received.map(({ headers: sent }) =>
        of('kindred.webhook').find(
          ({ traceId: trace, spanId }) => sent.traceparent === `00-${trace}-${spanId}-01`,
        ),
      )
      assert.deepEqual(
        [failed, delivered].map((span) => [attribute(span!, 'http.response.status_code'), span!.status.code]),
        [
          [500, 2],
          [204, 0],
        ],
      )
      assert.equal(attribute(delivered!, 'kindred.webhook'), id)
      const told = JSON.stringify(collector.spans)
      for (const word of ['user-of-the-shop', receiver.url]) assert.ok(!told.includes(word), word)
    }))
})
