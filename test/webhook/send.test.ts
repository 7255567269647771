// One attempt against receivers that behave badly: it ends in time, and an answer counts that is whole or long enough.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSender, type Outcome } from '../../src/sink/webhook/send.ts'
import { collectGarbage } from '../support/collect-garbage.ts'
import { until } from '../support/wait.ts'
import { type Behaviour, type Receiver, startReceiver } from '../support/webhook-receiver.ts'

const timeoutMs = 300
const body = { contentType: 'application/json', text: '{"a":"é"}' }
const open = { allowPrivate: true, allowHttp: true }

async function against(
  behave: Receiver['behave'],
  work: (send: (signal?: AbortSignal) => Promise<Outcome>, receiver: Receiver) => Promise<void>,
): Promise<void> {
  await using receiver = await startReceiver(behave)
  const sender = createSender({ policy: open, timeoutMs })
  const headers = { 'webhook-id': 'pc_1' }
  try {
    await work(
      (signal = new AbortController().signal) => sender.send({ url: receiver.url, headers, body, signal }),
      receiver,
    )
  } finally {
    sender.close()
  }
}

const outcomes: [string, Behaviour, Outcome][] = [
  ['answers', { status: 200, body: 'ok' }, { kind: 'answered', status: 200, retryAfter: undefined }],
  ['is gone', { status: 410 }, { kind: 'answered', status: 410, retryAfter: undefined }],
  [
    'is busy',
    { status: 429, headers: { 'retry-after': '7' } },
    { kind: 'answered', status: 429, retryAfter: '7' },
  ],
  ['stalls', 'stall', { kind: 'failed', error: 'it took too long' }],
  ['answers without end, slowly', 'trickle', { kind: 'failed', error: 'it took too long' }],
  ['switches protocols', 'upgrade', { kind: 'answered', status: 101, retryAfter: undefined }],
  ['closes', 'close', { kind: 'failed', error: 'ECONNRESET' }],
  ['sends less than it says', 'short', { kind: 'failed', error: 'the answer broke off' }],
  ['sends more than it says', 'long', { kind: 'failed', error: 'the answer is not HTTP' }],
  [
    'sends less than it says, but more than is read',
    'short and long',
    { kind: 'answered', status: 200, retryAfter: undefined },
  ],
  ['answers without end, fast', 'flood', { kind: 'answered', status: 200, retryAfter: undefined }],
]

describe('an attempt at a receiver that', () => {
  for (const [what, behaviour, expected] of outcomes)
    it(what, () =>
      against(
        () => behaviour,
        async (send) => {
          const began = performance.now()
          assert.deepEqual(
            await Promise.race([send(), sleep(timeoutMs * 10, undefined, { ref: false })]),
            expected,
          )
          assert.ok(performance.now() - began < timeoutMs * 10, 'it ended in time')
        },
      ),
    )

  it('redirects is not followed', async () => {
    await using elsewhere = await startReceiver()
    for (const status of [301, 302, 303, 307, 308])
      await against(
        () => ({ status, headers: { location: elsewhere.url } }),
        async (send) => assert.deepEqual(await send(), { kind: 'answered', status, retryAfter: undefined }),
      )
    assert.equal(elsewhere.received.length, 0)
  })

  it('is sent the body and the headers, over one connection that is kept', () =>
    against(
      () => ({ status: 200 }),
      async (send, receiver) => {
        await send()
        await send()
        const [first] = receiver.received
        assert.equal(receiver.received.length, 2)
        assert.equal(first!.body.toString('utf8'), body.text)
        assert.equal(first!.headers['content-type'], 'application/json')
        assert.equal(first!.headers['webhook-id'], 'pc_1')
        assert.equal(first!.path, '/hook')
      },
    ))

  it('is not there', async () => {
    const receiver = await startReceiver()
    await receiver[Symbol.asyncDispose]()
    const sender = createSender({ policy: open, timeoutMs })
    const { signal } = new AbortController()
    assert.deepEqual(await sender.send({ url: receiver.url, headers: {}, body, signal }), {
      kind: 'failed',
      error: 'ECONNREFUSED',
    })
    sender.close()
  })

  it('stalls ends in time, whatever is collected as garbage meanwhile', () =>
    against(
      () => 'stall',
      async (send, receiver) => {
        const ended: Outcome[] = []
        for (let n = 0; n < 8; n++) void send().then((outcome) => ended.push(outcome))
        await until('all have come', () => receiver.received.length === 8)
        await collectGarbage()
        await until('all have ended', () => ended.length === 8)
        for (const outcome of ended) assert.deepEqual(outcome, { kind: 'failed', error: 'it took too long' })
      },
    ))

  it('is given up ends at once', () =>
    against(
      () => 'stall',
      async (send, receiver) => {
        const giveUp = new AbortController()
        receiver.behave = () => {
          giveUp.abort()
          return 'stall'
        }
        const began = performance.now()
        assert.equal((await send(giveUp.signal)).kind, 'failed')
        assert.ok(performance.now() - began < timeoutMs)
      },
    ))
})
