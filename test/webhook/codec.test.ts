// Signatures by the specification, who is told what, and the three forms of a body.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { bodyOf, deliveryId, partsOf } from '../../src/codec/webhook-body.ts'
import { newSecret, secretBytesOf, signedHeaders } from '../../src/codec/webhook-signature.ts'
import {
  matches,
  signingSecrets,
  type WebhookFilter,
  webhookInput,
} from '../../src/codec/webhook-subscription.ts'
import { withDirectory } from '../support/command.ts'
import { changeOf } from '../support/webhook-changes.ts'
import { verifySigned } from '../support/webhook-verifier.ts'

describe('a signature', () => {
  it('is the one of the published example of Standard Webhooks', () => {
    const headers = signedHeaders({
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      seconds: 1614265330,
      body: '{"test": 2432232314}',
      secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    })
    assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it('is believed by a verifier with one of the secrets, and by no other', async () => {
    const [first, second, third] = [newSecret(), newSecret(), newSecret()]
    const body = '{"name":"é 漢 🛒"}'
    const headers = signedHeaders({ id: 'pc_1', seconds: 1000, body, secrets: [first, second] })
    const message = { headers, body: Buffer.from(body) }
    for (const secret of [first, second])
      assert.equal(await verifySigned(message, { secret, nowSeconds: 1200 }), 'pc_1')
    await assert.rejects(verifySigned(message, { secret: third, nowSeconds: 1200 }), /no signature fits/)
    await assert.rejects(verifySigned(message, { secret: first, nowSeconds: 1301 }), /too old/)
    await assert.rejects(
      verifySigned({ headers, body: Buffer.from(`${body} `) }, { secret: first, nowSeconds: 1000 }),
      /no signature fits/,
    )
    const forged = { ...headers, 'webhook-id': 'pc_2' }
    await assert.rejects(verifySigned({ ...message, headers: forged }, { secret: first, nowSeconds: 1000 }))
  })

  it('is believed by what README shows, and an old or a forged one is not', () =>
    withDirectory(async (dir) => {
      const readme = readFileSync(join(import.meta.dirname, '..', '..', '..', 'README.md'), 'utf8')
      const [, code] = /```js\n(import [^`]*isFromKindred[\s\S]*?)```/.exec(readme)!
      const file = join(dir, 'receiver.mjs')
      writeFileSync(file, code!)
      const { isFromKindred } = (await import(pathToFileURL(file).href)) as {
        isFromKindred(headers: object, body: string, secret: string): boolean
      }
      const secrets = [newSecret(), newSecret()]
      const seconds = Math.floor(Date.now() / 1000)
      const body = '{"a":"é"}'
      const headers = signedHeaders({ id: 'pc_1', seconds, body, secrets })
      for (const secret of secrets) assert.ok(isFromKindred(headers, body, secret))
      assert.ok(!isFromKindred(headers, body, newSecret()))
      assert.ok(!isFromKindred(headers, `${body} `, secrets[0]!))
      const old = signedHeaders({ id: 'pc_1', seconds: seconds - 400, body, secrets })
      assert.ok(!isFromKindred(old, body, secrets[0]!))
    }))

  it('is made with secrets of 24 to 64 bytes alone', () => {
    const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`
    for (const bytes of [24, 32, 64]) assert.equal(secretBytesOf(of(bytes))?.length, bytes)
    for (const wrong of [of(23), of(65), of(32).slice(6), 'whsec_', 'whsec_!!!!', `${of(24)}x`, ''])
      assert.equal(secretBytesOf(wrong), undefined, wrong)
    assert.notEqual(newSecret(), newSecret())
    const secrets = [{ value: 'new' }, { value: 'old', until: 100 }]
    assert.deepEqual(signingSecrets(secrets, 99), ['new', 'old'])
    assert.deepEqual(signingSecrets(secrets, 100), ['new'])
  })
})

describe('a filter', () => {
  const entered = changeOf()
  const exited = changeOf({
    entered: [],
    exited: [{ persona: 'Baker', probability: 0.1 }],
    personas: [{ persona: 'Gardener', probability: 0.7 }],
    primary: 'Gardener',
    previous_primary: 'Gardener',
  })
  const flipped = changeOf({
    entered: [],
    personas: [
      { persona: 'Gardener', probability: 0.7 },
      { persona: 'Baker', probability: 0.5 },
    ],
    primary: 'Gardener',
    previous_primary: 'Baker',
  })
  const unknown = changeOf({ entered: [], personas: [], primary: null, status: 'unknown' })
  const cases: [string, WebhookFilter, ChangeEvent[]][] = [
    ['none', {}, [entered, exited, flipped, unknown]],
    ['entered', { directions: ['entered'] }, [entered]],
    ['exited', { directions: ['exited'] }, [exited]],
    ['primary', { directions: ['primary'] }, [entered, flipped]],
    ['a persona', { personas: ['Baker'] }, [entered, exited, flipped]],
    ['another persona', { personas: ['Gardener'] }, [flipped]],
    ['an unknown persona', { personas: ['Cook'] }, []],
    ['likely', { min_probability: 0.65 }, [exited, flipped]],
    ['likely to enter', { directions: ['entered'], min_probability: 0.6 }, [entered]],
    ['too likely to enter', { directions: ['entered'], min_probability: 0.61 }, []],
  ]
  for (const [name, filter, wanted] of cases)
    it(`of ${name} lets through what it says`, () => {
      for (const change of [entered, exited, flipped, unknown])
        assert.equal(matches(change, filter), wanted.includes(change), JSON.stringify(change))
    })

  it('is refused when it cannot be', () => {
    const url = 'https://crm.example/hook'
    assert.deepEqual(webhookInput.parse({ url }), { url, filter: {}, format: 'kindred', active: true })
    for (const wrong of [
      {},
      { url: 'nonsense' },
      { url, filter: { directions: ['left'] } },
      { url, filter: { directions: [] } },
      { url, filter: { min_probability: 1.5 } },
      { url, filter: { personas: [''] } },
      { url, format: 'xml' },
      { url, secret: 'whsec_short' },
      { url, more: 1 },
      { url, format: 'segment', filter: { directions: ['primary'] } },
    ])
      assert.ok(!webhookInput.safeParse(wrong).success, JSON.stringify(wrong))
  })
})

describe('a body', () => {
  const change = changeOf({
    entered: [
      { persona: 'Baker', probability: 0.6 },
      { persona: 'Gardener', probability: 0.3 },
    ],
    exited: [{ persona: '__proto__', probability: 0.01 }],
  })
  const json = JSON.stringify(change)

  it('in format kindred is the change event, byte for byte', () => {
    assert.deepEqual(partsOf(change, 'kindred', {}), [-1])
    assert.deepEqual(bodyOf(json, { format: 'kindred', part: -1 }), {
      contentType: 'application/json',
      text: json,
    })
    assert.equal(deliveryId('pc_0', -1), 'pc_0')
  })

  it('in format cloudevents is a CloudEvent in structured mode', () => {
    const { contentType, text } = bodyOf(json, { format: 'cloudevents', part: -1 })
    assert.equal(contentType, 'application/cloudevents+json')
    assert.deepEqual(JSON.parse(text), {
      specversion: '1.0',
      id: 'pc_0',
      source: '/kindred',
      type: 'com.kindred.persona-change.v1',
      subject: 'u',
      time: '2025-01-01T00:00:00.000Z',
      datacontenttype: 'application/json',
      data: change,
    })
  })

  it('in format segment is a track call a persona, exits first, whose id no filter moves', () => {
    assert.deepEqual(partsOf(change, 'segment', {}), [0, 1, 2])
    assert.deepEqual(partsOf(change, 'segment', { directions: ['entered'], min_probability: 0.5 }), [1])
    assert.deepEqual(partsOf(change, 'segment', { personas: ['Gardener'] }), [2])
    assert.deepEqual(
      [0, 1, 2].map((part) => deliveryId('pc_0', part)),
      ['pc_0_0', 'pc_0_1', 'pc_0_2'],
    )
    const call = (part: number) =>
      JSON.parse(bodyOf(json, { format: 'segment', part }).text) as {
        event: string
        messageId: string
        userId: string
        type: string
        properties: Record<string, unknown>
      }
    assert.deepEqual(
      [0, 1, 2].map((part) => [call(part).event, call(part).properties.audience_key, call(part).messageId]),
      [
        ['Audience Exited', '__proto__', 'pc_0_0'],
        ['Audience Entered', 'Baker', 'pc_0_1'],
        ['Audience Entered', 'Gardener', 'pc_0_2'],
      ],
    )
    assert.deepEqual(
      [call(1).type, call(1).userId, call(1).properties.Baker, call(1).properties.probability],
      ['track', 'u', true, 0.6],
    )
    assert.ok(Object.hasOwn(call(0).properties, '__proto__'))
  })
})
