// The local Kafka and schema registry that other tests stand on: they serve, keep what they hold, refuse, and end with us.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { SASLOptions } from 'kafkajs'
import { fetchOnce } from '../../scripts/kafka-local/fetch.ts'
import { startKafka } from '../../scripts/kafka-local/kafka.ts'
import { Kafka, logLevel, Partitioners } from '../../src/kafka/kafkajs.ts'
import { withDirectory } from '../support/command.ts'
import { skipKafka, skipRegistry, withKafka, withRegistry } from '../support/kafka.ts'
import { until } from '../support/wait.ts'

const topic = 'shop-events'
const topics = [{ topic, numPartitions: 1 }]
const mainScript = fileURLToPath(new URL('../../scripts/kafka-local/main.js', import.meta.url))

describe('a local Kafka', { skip: skipKafka }, () => {
  it('keeps what it acknowledged when it is killed or stopped, and comes back on its port', async () => {
    await withKafka({ topics }, async (kafka) => {
      const client = clientOf(kafka.brokers)
      await send(client, ['first', 'second'])
      assert.deepEqual(await read(client, 2), ['first', 'second'])
      const before = kafka.pid
      await kafka.kill()
      await kafka.restart()
      assert.notEqual(kafka.pid, before)
      await send(client, ['third'])
      await kafka.stop()
      await kafka.stop()
      await kafka.restart()
      assert.deepEqual(await read(client, 3), ['first', 'second', 'third'])
      await assert.rejects(kafka.restart(), /still runs/)
    })
  })

  it('takes events of years ago and of 15 MB, and no topic that nobody created', async () => {
    await withKafka({ topics }, async (kafka) => {
      const client = clientOf(kafka.brokers)
      const long = 'x'.repeat(15_000_000)
      await send(client, ['old'], String(Date.UTC(2011, 0, 1)))
      await send(client, [long], String(Date.UTC(2099, 0, 1)))
      assert.deepEqual(await read(client, 2), ['old', long])
      await assert.rejects(send(client, ['lost'], undefined, 'no-such-topic'))
    })
  })

  it('authenticates by PLAIN and SCRAM, refuses wrong passwords, and lets users do what ACLs allow', async () => {
    const users = { admin: 'admin-secret', reader: 'reader-secret' }
    await withKafka({ topics, sasl: { users, superUsers: ['admin'] } }, async ({ brokers }) => {
      const as = (mechanism: 'plain' | 'scram-sha-256', username: string, password: string) =>
        clientOf(brokers, { mechanism, username, password } as SASLOptions)
      await send(as('plain', 'admin', 'admin-secret'), ['one'])
      await send(as('scram-sha-256', 'admin', 'admin-secret'), ['two'])
      for (const mechanism of ['plain', 'scram-sha-256'] as const) {
        await assert.rejects(send(as(mechanism, 'admin', 'guessed'), ['three']), {
          name: /SASLAuthentication/,
        })
        await assert.rejects(send(as(mechanism, 'reader', 'reader-secret'), ['four']), /[Nn]ot authorized/)
      }
      await assert.rejects(send(clientOf(brokers), ['five']))
      assert.deepEqual(await read(as('plain', 'admin', 'admin-secret'), 2), ['one', 'two'])
    })
  })

  it('says why it does not start, and leaves no process behind', async () => {
    await withDirectory(async (dir) => {
      await assert.rejects(
        startKafka({ dir, properties: { 'log.retention.ms': 'soon' } }),
        /log\.retention\.ms|Invalid value soon/,
      )
    })
  })

  it('runs from the command line until it is told to end, and ends even when its parent is killed', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      await withDirectory(async (dir) => {
        const port = String(signal === 'SIGTERM' ? 11_901 : 11_902)
        const child = spawn(process.execPath, [mainScript, '--port', port, '--dir', dir])
        let said = ''
        child.stdout.on('data', (chunk: Buffer) => {
          said += chunk
        })
        await until('it named its brokers', () => said.endsWith('\n'))
        assert.equal(said, `127.0.0.1:${port}\n`)
        await send(clientOf([said.trim()]), [], undefined)
        child.kill(signal)
        await once(child, 'exit')
        await until('nobody listens', async () => {
          const admin = clientOf([`127.0.0.1:${port}`]).admin()
          return admin.connect().then(
            () => admin.disconnect().then(() => false),
            () => true,
          )
        })
      })
  })
})

describe('fetching', () => {
  it('leaves a whole directory or none, whoever else fetches', async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, 'cache', 'thing')
      await assert.rejects(
        fetchOnce(path, async (partial) => {
          writeFileSync(join(partial, 'half'), '')
          throw new Error('cut off')
        }),
        /cut off/,
      )
      const fetch = (text: string) =>
        fetchOnce(path, async (partial) => writeFileSync(join(partial, 'whole'), text))
      await Promise.all([fetch('whole'), fetch('whole')])
      assert.equal(readFileSync(join(path, 'whole'), 'utf8'), 'whole')
      await fetchOnce(path, () => assert.fail('it is there'))
    })
  })
})

describe('a local schema registry', { skip: skipRegistry }, () => {
  it("answers as Confluent's does: an id for a schema, the schema for the id, 404 for another", async () => {
    await withRegistry(async ({ url }) => {
      const schema = JSON.stringify({ type: 'record', name: 'Event', fields: [] })
      const register = () =>
        fetch(`${url}/subjects/x-value/versions`, {
          method: 'POST',
          headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
          body: JSON.stringify({ schema }),
        }).then((response) => response.json())
      assert.deepEqual(await register(), { id: 1 })
      assert.deepEqual(await register(), { id: 1 })
      const found = (await (await fetch(`${url}/schemas/ids/1`)).json()) as { schema: string }
      assert.deepEqual(JSON.parse(found.schema), JSON.parse(schema))
      const missing = await fetch(`${url}/schemas/ids/77`)
      assert.equal(missing.status, 404)
      assert.equal(((await missing.json()) as { error_code: number }).error_code, 40403)
    })
  })
})

function clientOf(brokers: string[], sasl?: SASLOptions): Kafka {
  return new Kafka({
    brokers,
    logLevel: logLevel.NOTHING,
    retry: { retries: 3, initialRetryTime: 100 },
    ...(sasl === undefined ? {} : { sasl }),
  })
}

async function send(client: Kafka, values: string[], timestamp?: string, to = topic): Promise<void> {
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  try {
    await producer.connect()
    if (values.length === 0) return
    await producer.send({
      topic: to,
      messages: values.map((value) => ({ value, partition: 0, ...(timestamp ? { timestamp } : {}) })),
    })
  } finally {
    await producer.disconnect()
  }
}

/** The first `count` values of the topic. */
async function read(client: Kafka, count: number): Promise<string[]> {
  const values: string[] = []
  const consumer = client.consumer({ groupId: `test-${count}-${performance.now()}`, sessionTimeout: 6000 })
  try {
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      eachMessage: async ({ message }) => {
        values.push(message.value!.toString())
      },
    })
    await until(`${count} values are read`, () => values.length >= count)
  } finally {
    await consumer.disconnect()
  }
  return values
}
