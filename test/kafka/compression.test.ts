// Every codec both ways between Kafka's own Java clients and kafkajs with ours, through a real broker.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import zlib from 'node:zlib'
import { compressSync } from 'snappy'
import { java } from '../../scripts/kafka-local/fetch.ts'
import { fetchKafka, kafkaArgs, type LocalKafka } from '../../scripts/kafka-local/kafka.ts'
import { FatalError } from '../../src/errors.ts'
import { type CompressionName, compressionOf, registerCompression } from '../../src/kafka/compression.ts'
import { CompressionCodecs, Kafka, logLevel, Partitioners } from '../../src/kafka/kafkajs.ts'
import { eventOf } from '../support/events.ts'
import { skipKafka, withKafka } from '../support/kafka.ts'
import { until } from '../support/wait.ts'

const names: readonly CompressionName[] = ['gzip', 'snappy', 'lz4', 'zstd']
const nodeHasZstd = 'zstdCompress' in zlib
const writable = names.filter((name) => name !== 'zstd' || nodeHasZstd)
const fromJava = (name: string) => `java-${name}`
const fromUs = 'from-kafkajs'
const topics = [...names.map(fromJava), fromUs].map((topic) => ({ topic, numPartitions: 1 }))

registerCompression()
registerCompression()

describe('compression', { skip: skipKafka }, () => {
  it("reads what Kafka's own producer writes, and writes what its consumer reads", async () => {
    await withKafka({ topics }, async (kafka) => {
      for (const name of names) {
        await produceWithJava(kafka, name)
        assert.equal(codecOfFirstBatch(kafka, fromJava(name)), compressionNumbers[name], name)
        assertSame(await consume(kafka, fromJava(name)), valuesOf(name))
      }
      for (const name of writable) await produce(kafka, name)
      assert.equal(codecOfFirstBatch(kafka, fromUs), compressionNumbers[writable[0]!])
      assertSame(await consume(kafka, fromUs), writable.flatMap(valuesOf))
      assertSame(await consumeWithJava(kafka, fromUs), writable.flatMap(valuesOf))
    })
  })
})

describe('codecs', () => {
  const codecOf = (name: 'snappy' | 'lz4' | 'zstd') =>
    CompressionCodecs[compressionNumbers[name]]() as {
      compress(encoder: { buffer: Buffer }): Promise<Buffer>
      decompress(bytes: Buffer): Promise<Buffer>
    }

  it('takes snappy without a frame, as some clients write it', async () => {
    const bytes = Buffer.from(valuesOf('snappy').join('\n'))
    assert.ok(bytes.equals(await codecOf('snappy').decompress(compressSync(bytes))))
  })

  it('carries nothing, and a block to the byte', async () => {
    for (const name of ['snappy', 'lz4'] as const)
      for (const length of [0, 1, 32 * 1024, 32 * 1024 + 1]) {
        const buffer = Buffer.alloc(length, 'kindred')
        const { compress, decompress } = codecOf(name)
        assert.ok(buffer.equals(await decompress(await compress({ buffer }))), `${length} bytes of ${name}`)
      }
  })

  it('never takes bytes that are cut short or of another kind', async () => {
    for (const name of ['snappy', 'lz4'] as const) {
      const { compress, decompress } = codecOf(name)
      const whole = await compress({ buffer: Buffer.from(valuesOf(name).join('\n')) })
      for (const bad of [whole.subarray(0, -9), whole.subarray(0, 40), Buffer.from('neither')])
        await assert.rejects(decompress(bad), `${bad.length} bytes of ${name}`)
    }
    await assert.rejects(codecOf('zstd').decompress(Buffer.from('neither')))
  })

  it('says at once when this Node cannot write zstd', () => {
    if (nodeHasZstd) assert.equal(compressionOf('zstd'), compressionNumbers.zstd)
    else assert.throws(() => compressionOf('zstd'), FatalError)
  })
})

/** As they stand in a batch's attributes. */
const compressionNumbers = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** Events of 200 KB in all, and one of 300 KB that does not compress to a single block. */
function valuesOf(name: CompressionName): string[] {
  const events = Array.from({ length: 1500 }, (_, n) =>
    JSON.stringify(
      eventOf({ event_id: `${name}-${n}`, user_id: `user-${n % 97}`, title: 'Teeth für 家 👶' }),
    ),
  )
  let state = 1
  const noise = Buffer.from(
    Array.from({ length: 225_000 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return state >>> 24
    }),
  )
  return [...events, JSON.stringify({ noise: noise.toString('base64') })]
}

function codecOfFirstBatch({ dir }: LocalKafka, topic: string): number {
  return readFileSync(join(dir, 'data', `${topic}-0`, '00000000000000000000.log')).readInt16BE(21) & 7
}

async function produceWithJava({ brokers }: LocalKafka, name: CompressionName): Promise<void> {
  await runJava(
    'org.apache.kafka.tools.ConsoleProducer',
    ['--bootstrap-server', brokers[0]!, '--topic', fromJava(name), '--compression-codec', name],
    valuesOf(name).join('\n'),
  )
}

async function consumeWithJava({ brokers }: LocalKafka, topic: string): Promise<string[]> {
  const count = String(writable.flatMap(valuesOf).length)
  const out = await runJava('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', brokers[0]!, '--topic', topic, '--from-beginning'],
    ...['--max-messages', count, '--timeout-ms', '20000'],
  ])
  return out.trimEnd().split('\n')
}

async function runJava(className: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(java, kafkaArgs(await fetchKafka(), className, ...args))
  child.stdin.end(input)
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  assert.equal(code, 0, err)
  return out
}

async function produce({ brokers }: LocalKafka, name: CompressionName): Promise<void> {
  const producer = clientOf(brokers).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const messages = valuesOf(name).map((value) => ({ value }))
  await producer.send({ topic: fromUs, messages, compression: compressionOf(name) })
  await producer.disconnect()
}

async function consume({ brokers }: LocalKafka, topic: string): Promise<string[]> {
  const count = topic === fromUs ? writable.flatMap(valuesOf).length : valuesOf('gzip').length
  const values: string[] = []
  const consumer = clientOf(brokers).consumer({ groupId: `of-${topic}`, sessionTimeout: 6000 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      values.push(message.value!.toString())
    },
  })
  await until(`${topic} is read`, () => values.length >= count)
  await consumer.disconnect()
  return values
}

function clientOf(brokers: string[]): Kafka {
  return new Kafka({ brokers, logLevel: logLevel.NOTHING })
}

/** Without showing megabytes where they differ. */
function assertSame(found: readonly string[], expected: readonly string[]): void {
  assert.equal(found.length, expected.length)
  for (const [n, value] of expected.entries()) assert.ok(found[n] === value, `value ${n} differs`)
}
