// What a user sees when something that Kindred needs is down, wrong or forbidden: lookups go on, /readyz and the log say
// what to do, and once it is mended everything is consumed and every change delivered once, without a restart.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AclOperationTypes, AclResourceTypes, Message } from 'kafkajs'
import { freePort } from '../../scripts/kafka-local/free-ports.ts'
import { type LocalKafka, startKafka } from '../../scripts/kafka-local/kafka.ts'
import {
  AclPermissionTypes,
  AclOperationTypes as Operation,
  AclResourceTypes as Resource,
  ResourcePatternTypes,
} from '../../src/kafka/kafkajs.ts'
import { avroValue, eventSchema } from '../support/avro-values.ts'
import { type Settings, withDirectory } from '../support/command.ts'
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts'
import { sharedKafka, skipKafka, withKafka } from '../support/kafka.ts'
import { untilConsumed } from '../support/kafka-serve.ts'
import {
  assertExact,
  makeTopics,
  order,
  type Place,
  servePlace,
  shopMessages,
  shopPosts,
  stopWell,
  untilMended,
  untilNotReady,
  warnings,
  withPlace,
} from '../support/kafka-shop.ts'
import { clientOf, createTopic, endsOf, withAdmin } from '../support/kafka-topics.ts'
import { logged, type Server } from '../support/server.ts'

const stopSecondsMax = 10
/** Warnings that one thing that is down may cost. */
const warningsMax = 8

/** Lookups are answered whatever is down. */
async function assertAnswers({ lookUp }: Server): Promise<void> {
  const { status } = await lookUp('nobody')
  assert.equal(status, 404)
}

async function assertPosts({ post }: Server, from: number, to: number): Promise<void> {
  const { status } = await post(shopPosts(from, to))
  assert.equal(status, 202)
}

describe('a broker that is down', { skip: skipKafka }, () => {
  it('is waited for, at the start and later, and by an end', () =>
    withDirectory(async (dir) => {
      const port = await freePort()
      await withPlace('broker', { brokers: [`127.0.0.1:${port}`] }, async (place) => {
        const server = await servePlace(place)
        await untilNotReady(server, /no broker answers/)
        await assertAnswers(server)
        await assertPosts(server, 0, 100)
        await using kafka = await startKafka({ dir, port })
        await makeTopics(place)
        await order(place, shopMessages(100, 800))
        await untilMended(place, server)
        await breakAndMend(place, { server, kafka, by: 'stop', from: 800 })
        await breakAndMend(place, { server, kafka, by: 'kill', from: 1400 })
        assert.ok(warnings(server).length <= 3 * warningsMax, warnings(server).join('\n'))
        await stopWhileDown(place, server, kafka)
        await assertExact(place)
      })
    }))
})

/** The broker ends and comes back; lookups and events over HTTP go on meanwhile. */
async function breakAndMend(
  place: Place,
  { server, kafka, by, from }: { server: Server; kafka: LocalKafka; by: 'stop' | 'kill'; from: number },
): Promise<void> {
  await order(place, shopMessages(from, from + 400))
  await kafka[by]()
  await untilNotReady(server, /no broker answers/)
  await assertAnswers(server)
  await assertPosts(server, from + 400, from + 500)
  await kafka.restart()
  await order(place, shopMessages(from + 500, from + 600))
  await untilMended(place, server)
}

/** An end while the broker is down is quick; the next process sends what was left. */
async function stopWhileDown(place: Place, server: Server, kafka: LocalKafka): Promise<void> {
  await order(place, shopMessages(2000, 2400))
  await kafka.kill()
  await assertPosts(server, 2400, 2600)
  const started = performance.now()
  await stopWell(server)
  const seconds = (performance.now() - started) / 1000
  assert.ok(seconds < stopSecondsMax, `the end took ${seconds} s`)
  await kafka.restart()
  const next = await servePlace(place)
  await untilMended(place, next)
  await stopWell(next)
}

describe('what is missing or wrong', { skip: skipKafka, concurrency: 2 }, () => {
  const kafka = sharedKafka()
  const at = (name: string, work: (place: Place) => Promise<void>, env: Settings = {}) =>
    withPlace(name, { brokers: kafka().brokers, env }, work)

  it('topics are waited for', () =>
    at('topics', async (place) => {
      const { brokers, orders, changes, personas } = place
      const server = await servePlace(place)
      await untilNotReady(server, /there is no topic topics-orders.*topics create/)
      await createTopic(brokers, orders, { partitions: 3 })
      await order(place, shopMessages(0, 400))
      await untilNotReady(server, /topics-changes.*does not exist.*topics create/)
      await assertAnswers(server)
      await assertPosts(server, 400, 500)
      for (const topic of [changes, personas]) await createTopic(brokers, topic, { partitions: 2 })
      await untilMended(place, server)
      assert.ok(warnings(server).length <= warningsMax, warnings(server).join('\n'))
      await stopWell(server)
      await assertExact(place)
    }))

  it('a group that another application uses ends the process, saying so', () =>
    at('foreign', async (place) => {
      await makeTopics(place)
      const other = clientOf(kafka().brokers).consumer({ groupId: place.name })
      await other.connect()
      try {
        await other.subscribe({ topic: place.orders })
        const joined = new Promise((resolve) => other.on(other.events.GROUP_JOIN, resolve))
        await other.run({ eachMessage: async () => undefined })
        await joined
        const { code, stderr } = await (await servePlace(place)).ended
        assert.equal(code, 1, stderr)
        assert.match(stderr, /group is used by another application: name another with KINDRED_KAFKA_GROUP/)
      } finally {
        await other.disconnect()
      }
    }))

  it('a registry that is down or hangs is waited for; known schemas need none', () =>
    withRegistry(async (registry) => {
      const env = { KINDRED_KAFKA_REGISTRY: registry.url }
      await at('registry', (place) => registryGoes(place, registry), env)
    }))
})

async function withRegistry(work: (registry: FakeRegistry) => Promise<void>): Promise<void> {
  const registry = await startFakeRegistry()
  try {
    await work(registry)
  } finally {
    await registry.stop()
  }
}

/** Down at the start; hanging when a new schema comes; and down at another start, with records of a known one. */
async function registryGoes(place: Place, registry: FakeRegistry): Promise<void> {
  await makeTopics(place)
  const known = registry.register(eventSchema)
  registry.down()
  const first = await servePlace(place)
  await order(place, inAvro(known, shopMessages(0, 300)))
  await untilNotReady(first, /schema registry.*503/)
  await assertAnswers(first)
  await assertPosts(first, 300, 400)
  registry.up()
  await untilMended(place, first)

  registry.down('hang')
  const fresh = registry.register(JSON.stringify({ ...(JSON.parse(eventSchema) as object), doc: 'another' }))
  await order(place, inAvro(fresh, shopMessages(400, 700)))
  await untilNotReady(first, /schema registry.*does not answer/)
  await assertAnswers(first)
  const joined = logged(first.stderr()).filter(({ msg }) => msg === 'consuming')
  assert.equal(joined.length, 1, 'it has stayed in its group')
  registry.up()
  await untilMended(place, first)
  await first.kill()

  registry.down()
  await order(place, [...inAvro(known, shopMessages(700, 1000)), ...inAvro(fresh, shopMessages(1000, 1300))])
  const second = await servePlace(place)
  await untilConsumed(place.data, place.orders, await endsOf(place.brokers, place.orders))
  await untilNotReady(second, /schema registry.*503/)
  assert.ok(warnings(second).length <= warningsMax, warnings(second).join('\n'))
  registry.up()
  await untilMended(place, second)
  await stopWell(second)
  await assertExact(place)
}

function inAvro(id: number, messages: readonly Message[]): Message[] {
  return messages.map((message) => ({ ...message, value: avroValue(id, String(message.value)) }))
}

const user = 'kindred'
const password = 'right'
const credentials = (secret: string): Settings => ({
  KINDRED_KAFKA_SASL: 'scram-sha-256',
  KINDRED_KAFKA_USER: user,
  KINDRED_KAFKA_PASSWORD: secret,
})

describe('credentials and rights', { skip: skipKafka }, () => {
  it('what is refused is named, and granted rights are used without a restart', () =>
    withKafka({ sasl: { users: { [user]: password } } }, ({ brokers, internalBrokers }) =>
      withPlace(
        'rights',
        {
          brokers: internalBrokers,
          env: { KINDRED_KAFKA_BROKERS: brokers.join(), ...credentials(password) },
        },
        async (place) => {
          await makeTopics(place)
          await order(place, shopMessages(0, 500))
          await refused(place)
          const server = await servePlace(place)
          await grantInTurn(place, server)
          await untilMended(place, server)
          assert.ok(warnings(server).length <= 2 * warningsMax, warnings(server).join('\n'))
          await stopWell(server)
          await assertExact(place)
        },
      ),
    ))
})

/** With the wrong password. */
async function refused(place: Place): Promise<void> {
  const server = await servePlace(place, { env: credentials('wrong') })
  await untilNotReady(server, /Kafka refuses the credentials/)
  await assertAnswers(server)
  await stopWell(server)
  assert.ok(warnings(server).length <= warningsMax, warnings(server).join('\n'))
}

async function grantInTurn(place: Place, server: Server): Promise<void> {
  const { name, orders, changes, personas } = place
  const topic = (of: string, ...operations: AclOperationTypes[]) =>
    grant(place, { type: Resource.TOPIC, name: of, operations })
  await untilNotReady(server, /no topic rights-orders, or no right to see it.*DESCRIBE/)
  await topic(orders, Operation.DESCRIBE)
  await untilNotReady(
    server,
    /kafka source: consuming: no broker names a coordinator: grant READ on the groups/,
  )
  await assertAnswers(server)
  await grant(place, { type: Resource.GROUP, name, operations: [Operation.READ] })
  await untilNotReady(server, /kafka source: consuming: Kafka denies access to a topic: grant READ/)
  await topic(orders, Operation.READ)
  await untilNotReady(
    server,
    /rights-changes: sending: .*grant.* DESCRIBE and WRITE on the transactional ids/,
  )
  await grant(place, {
    type: Resource.TRANSACTIONAL_ID,
    name,
    operations: [Operation.WRITE, Operation.DESCRIBE],
  })
  await untilNotReady(server, /rights-changes: sending: Kafka denies access to a topic: .*WRITE/)
  for (const sent of [changes, personas]) await topic(sent, Operation.READ, Operation.WRITE)
}

/** Rights on everything whose name begins with `name`. */
async function grant(
  { brokers }: Place,
  { type, name, operations }: { type: AclResourceTypes; name: string; operations: AclOperationTypes[] },
): Promise<void> {
  const acl = operations.map((operation) => ({
    resourceType: type,
    resourceName: name,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
    principal: `User:${user}`,
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
  }))
  await withAdmin(brokers, (admin) => admin.createAcls({ acl }))
}
