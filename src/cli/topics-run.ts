// What `topics create` and `topics check` do: topics made as they should be, or compared with that.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Admin } from 'kafkajs'
import type { Config } from '../config.ts'
import { FatalError, messageOf, TransientError, UsageError } from '../errors.ts'
import { createKafka, withAdmin } from '../kafka/client.ts'
import { ConfigResourceTypes } from '../kafka/kafkajs.ts'
import { parseTopics, selectTopics } from '../kafka/names.ts'
import { kafkaFailure } from '../kafka/problem.ts'
import { registryOf } from '../value-codec.ts'
import { configOf } from './context.ts'
import { print, printJson } from './output.ts'
import type { CreateOptions } from './topics.ts'

type Check = { readonly name: string; readonly status: 'ok' | 'warn' | 'fail'; readonly detail: string }

/** What a topic is for, and the settings that it must have. */
type Wanted = {
  readonly topic: string
  readonly role: 'input' | 'changes' | 'personas' | 'dead_letters'
  /** Of a dead-letter topic: the topic that its letters come from. */
  readonly of?: string
}

/** Dead letters may be larger than their topic's records by their headers. */
const headersBytes = 64 * 1024
const messageBytesDefault = 1_048_588
/** How long a topic that was made may take to be known, and how often that is asked. */
const knownMsMax = 30_000
const knownPollMs = 50

/** What `topics create` does. */
export async function createAndTell({ json, ...options }: CreateOptions): Promise<void> {
  const { created, present } = await createTopics({ config: kafkaConfig(), ...options })
  if (json) return printJson({ created, present })
  for (const topic of created) print(`made   ${topic}\n`)
  for (const topic of present) print(`there  ${topic}\n`)
}

/** Makes the topics of a configuration that are not there yet. */
export async function createTopics({
  config,
  partitions,
  replication,
}: {
  config: Config
  partitions: number
  replication: number
}): Promise<{ created: string[]; present: string[] }> {
  const created: string[] = []
  const present: string[] = []
  await connected(config, async (admin) => {
    const existing = await admin.listTopics()
    for (const wanted of wantedTopics(config, existing)) {
      if (existing.includes(wanted.topic)) {
        present.push(wanted.topic)
        continue
      }
      const input = wanted.of !== undefined && existing.includes(wanted.of) ? wanted.of : undefined
      const numPartitions = input === undefined ? partitions : await partitionsOf(admin, input)
      await admin.createTopics({
        waitForLeaders: false, // kafkajs fails where the broker has not heard of the topic yet
        topics: [
          {
            topic: wanted.topic,
            numPartitions,
            replicationFactor: replication,
            configEntries: Object.entries(await settingsOf(admin, wanted, input)).map(([name, value]) => ({
              name,
              value,
            })),
          },
        ],
      })
      await untilKnown(admin, wanted.topic)
      created.push(wanted.topic)
      existing.push(wanted.topic) // dead letters may come of it
    }
  })
  return { created, present }
}

/** A topic that was made is known to the broker a moment later. */
async function untilKnown(admin: Admin, topic: string): Promise<void> {
  for (const end = performance.now() + knownMsMax; !(await admin.listTopics()).includes(topic); ) {
    if (performance.now() > end)
      throw new TransientError(`${topic} was made, and is not known after ${knownMsMax / 1000} s`)
    await sleep(knownPollMs)
  }
}

export async function checkTopics({ json }: { json: boolean }): Promise<void> {
  const config = kafkaConfig()
  const checks: Check[] = []
  await connected(config, async (admin) => {
    const { brokers } = await admin.describeCluster()
    checks.push({ name: 'brokers', status: 'ok', detail: `${brokers.length} answer` })
    const existing = await admin.listTopics()
    const wanted = wantedTopics(config, existing)
    if (parseTopics(config.kafkaTopics) !== undefined && !wanted.some(({ role }) => role === 'input'))
      checks.push({ name: config.kafkaTopics, status: 'fail', detail: 'no topic fits this pattern' })
    for (const one of wanted)
      checks.push(
        existing.includes(one.topic)
          ? await checkTopic(admin, one, existing)
          : {
              name: one.topic,
              status: 'fail',
              detail: `is not there (${one.role}): \`kindred topics create\` makes it`,
            },
      )
  })
  checks.push(...(await checkRegistry(config)))
  if (json) printJson({ checks })
  else for (const { name, status, detail } of checks) print(`${status.padEnd(4)}  ${name}: ${detail}\n`)
  if (checks.some(({ status }) => status === 'fail')) process.exitCode = 1
}

function kafkaConfig(): Config {
  const config = configOf()
  if (config.kafkaBrokers === '')
    throw new UsageError('KINDRED_KAFKA_BROKERS is not set: name the brokers, such as localhost:9092')
  return config
}

async function connected(config: Config, work: (admin: Admin) => Promise<void>): Promise<void> {
  try {
    await withAdmin(createKafka(config), work)
  } catch (error) {
    throw new FatalError(kafkaFailure(error, `Kafka at ${config.kafkaBrokers}`).message, { cause: undefined })
  }
}

/** The topics of this configuration: those consumed (by name, or as the pattern finds them) and those written. */
function wantedTopics(config: Config, existing: readonly string[]): Wanted[] {
  const { kafkaChangesTopic: changes, kafkaPersonasTopic: personas, kafkaDeadLetterSuffix: suffix } = config
  const selection = parseTopics(config.kafkaTopics)
  const found =
    selection && selectTopics(selection, existing, { outputs: [changes, personas], deadLetterSuffix: suffix })
  const inputs = found === undefined ? [] : [...found.topics, ...found.missing]
  const wanted: Wanted[] = inputs.map((topic) => ({ topic, role: 'input' }))
  if (changes !== '') wanted.push({ topic: changes, role: 'changes' })
  if (changes !== '' && personas !== '') wanted.push({ topic: personas, role: 'personas' })
  if (suffix !== '')
    for (const of of inputs) wanted.push({ topic: `${of}${suffix}`, role: 'dead_letters', of })
  return wanted
}

async function settingsOf(
  admin: Admin,
  { role }: Wanted,
  input: string | undefined,
): Promise<Record<string, string>> {
  switch (role) {
    case 'personas':
      return { 'cleanup.policy': 'compact' }
    case 'dead_letters': {
      const most = input === undefined ? messageBytesDefault : await messageBytesOf(admin, input)
      return { 'cleanup.policy': 'delete', 'max.message.bytes': String(most + headersBytes) }
    }
    default:
      return {}
  }
}

async function checkTopic(
  admin: Admin,
  { topic, role, of }: Wanted,
  existing: readonly string[],
): Promise<Check> {
  const partitions = await partitionsOf(admin, topic)
  const policy = (await topicConfig(admin, topic, 'cleanup.policy')) ?? 'delete'
  const detail = `${role.replace('_', ' ')}, ${partitions} partitions, cleanup ${policy}`
  const compacts = policy.includes('compact')
  if (role === 'personas' && policy !== 'compact')
    return {
      name: topic,
      status: 'fail',
      detail: `${detail}: it must be compacted only, or answers are lost (cleanup.policy=compact)`,
    }
  if (role === 'changes' && compacts)
    return { name: topic, status: 'fail', detail: `${detail}: it must not be compacted, or changes are lost` }
  if (role === 'dead_letters' && of !== undefined && existing.includes(of)) {
    const [most, needed] = [await messageBytesOf(admin, topic), await messageBytesOf(admin, of)]
    if (most < needed)
      return {
        name: topic,
        status: 'warn',
        detail: `${detail}: its max.message.bytes of ${most} is less than the ${needed} of ${of}; larger letters go without their bytes`,
      }
  }
  return { name: topic, status: 'ok', detail }
}

async function checkRegistry(config: Config): Promise<Check[]> {
  const registry = registryOf(config)
  if (registry === undefined) return []
  try {
    await registry.schemaById(0)
    return [{ name: 'schema registry', status: 'ok', detail: 'answers' }]
  } catch (error) {
    return [{ name: 'schema registry', status: 'fail', detail: messageOf(error) }]
  }
}

async function partitionsOf(admin: Admin, topic: string): Promise<number> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return topics[0]!.partitions.length
}

async function messageBytesOf(admin: Admin, topic: string): Promise<number> {
  return Number((await topicConfig(admin, topic, 'max.message.bytes')) ?? messageBytesDefault)
}

async function topicConfig(admin: Admin, topic: string, name: string): Promise<string | undefined> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }],
  })
  return resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue
}
