// The registry's client against a registry that answers, refuses, fails and hangs.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, beforeEach, describe, it } from 'node:test'
import { FatalError, InvalidRecordError, TransientError } from '../../src/errors.ts'
import { SchemaRegistry } from '../../src/kafka/registry.ts'
import { collectGarbage } from '../support/collect-garbage.ts'
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts'
import { until } from '../support/wait.ts'

const schema = '{"type":"record","name":"A","fields":[]}'

describe('SchemaRegistry', () => {
  let fake: FakeRegistry
  before(async () => {
    fake = await startFakeRegistry()
  })
  beforeEach(() => fake.up())
  after(() => fake.stop())

  it('gives back by id what was registered, the same id for the same schema, and asks once', async () => {
    const registry = new SchemaRegistry({ url: `${fake.url}/` })
    const id = await registry.register('a/b topic-value', schema)
    assert.equal(await registry.register('a/b topic-value', schema), id)
    assert.deepEqual(fake.subjects.get('a/b topic-value'), [id])
    const asked = fake.requests.length
    assert.equal(await registry.schemaById(id), schema)
    assert.equal(await registry.schemaById(id), schema)
    assert.equal(fake.requests.length, asked + 1)
  })

  it('knows an unknown id, and asks again for it', async () => {
    const registry = new SchemaRegistry({ url: fake.url })
    const id = fake.schemas.size + 1
    assert.equal(await registry.schemaById(id), undefined)
    assert.equal(fake.register('{"type":"string"}'), id)
    assert.equal(await registry.schemaById(id), '{"type":"string"}')
  })

  it('takes a 404 of what is no registry for a wrong URL, not for an unknown schema', () =>
    assert.rejects(
      new SchemaRegistry({ url: `${fake.url}/elsewhere` }).schemaById(1),
      (error) => error instanceof TransientError && /is this its base URL/.test(error.message),
    ))

  it('refuses what is not Avro, and references', async () => {
    const registry = new SchemaRegistry({ url: fake.url })
    const proto = fake.register('syntax = "proto3";', { schemaType: 'PROTOBUF' })
    const refers = fake.register('{"type":"other.B"}', { references: [{ name: 'other.B' }] })
    for (const [id, says] of [
      [proto, /schema \d+ is of type PROTOBUF/],
      [refers, /refers to other schemas/],
    ] as const)
      await assert.rejects(
        registry.schemaById(id),
        (error) => error instanceof InvalidRecordError && says.test(error.message),
      )
  })

  it('says what to do about a schema that does not fit the subject', async () => {
    const registry = new SchemaRegistry({ url: fake.url })
    for (const status of [409, 422] as const) {
      fake.refuse('changes-value', status)
      await assert.rejects(
        registry.register('changes-value', schema),
        (error) =>
          error instanceof FatalError && /changes-value: .*incompatible.*another topic/.test(error.message),
      )
    }
  })

  it('calls everything transient that may go well later, in one line', async () => {
    const registry = new SchemaRegistry({ url: fake.url, timeoutMs: 100 })
    for (const [failure, says] of [
      [{ status: 500 }, /answers 500: made to fail/],
      [{ status: 503 }, /answers 503/],
      [{ status: 429 }, /answers 429/],
      [{ status: 401 }, /refuses the credentials \(401\)/],
      [{ status: 403 }, /refuses the credentials \(403\)/],
      ['hang', /does not answer within 100 ms/],
    ] as const) {
      fake.down(failure)
      for (const call of [() => registry.schemaById(77), () => registry.register('s', schema)])
        await assert.rejects(
          call,
          (error) =>
            error instanceof TransientError && says.test(error.message) && !error.message.includes('\n'),
        )
    }
  })

  it('sends credentials and never shows them, wherever they were given', async () => {
    const expected = `Basic ${Buffer.from('ann:p@ss').toString('base64')}`
    const inUrl = fake.url.replace('http://', 'http://ann:p%40ss@')
    for (const options of [{ url: inUrl }, { url: fake.url, user: 'ann', password: 'p@ss' }]) {
      fake.up()
      const registry = new SchemaRegistry(options)
      assert.equal(registry.url, fake.url)
      await registry.register('s', schema)
      assert.equal(fake.requests.at(-1)?.authorization, expected)
      fake.down({ status: 401 })
      await assert.rejects(
        registry.register('s', schema),
        (error: Error) => !/p@ss|p%40ss/.test(error.message),
      )
    }
  })

  it('says that nobody listens, and stops when told to', async () => {
    const gone = await startFakeRegistry()
    await gone.stop()
    await assert.rejects(
      new SchemaRegistry({ url: gone.url.replace('//', '//ann:secret@') }).schemaById(1),
      (error) =>
        error instanceof TransientError &&
        /cannot be reached/.test(error.message) &&
        !error.message.includes('secret'),
    )
    fake.down('hang')
    const reason = new Error('stopping')
    const stop = new AbortController()
    const asked = new SchemaRegistry({ url: fake.url }).schemaById(99, stop.signal)
    stop.abort(reason)
    await assert.rejects(asked, reason)
  })

  it('waits no longer than it may, whatever is collected as garbage meanwhile', async () => {
    fake.down('hang')
    const registry = new SchemaRegistry({ url: fake.url, timeoutMs: 300 })
    const { signal } = new AbortController()
    const refused: unknown[] = []
    for (let n = 0; n < 8; n++) registry.schemaById(99, signal).catch((error: unknown) => refused.push(error))
    await collectGarbage()
    await until('all have ended', () => refused.length === 8)
    assert.ok(refused.every((error) => error instanceof TransientError))
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  it('wants a URL', () => {
    for (const url of ['', 'registry:8081', 'ftp://registry'])
      assert.throws(() => new SchemaRegistry({ url }), FatalError)
  })
})
