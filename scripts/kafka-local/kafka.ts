// A real Apache Kafka, one node on the loopback, without Docker: fetched by Maven once, then started in about three seconds.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ITopicConfig } from 'kafkajs'
import { Kafka, logLevel } from '../../src/kafka/kafkajs.ts'
import { cachePath, fetchOnce, java, localProblem, maven } from './fetch.ts'
import { freePort } from './free-ports.ts'
import { type LocalService, startService } from './java-service.ts'
import { type Node, nodeProperties, propertiesFile, type Sasl } from './properties.ts'

const execute = promisify(execFile)
/** Run from dist/scripts/kafka-local/; tsc does not carry it there. */
const pom = fileURLToPath(new URL('../../../scripts/kafka-local/pom.xml', import.meta.url))
/** A kept cluster must find its own id again; there is never more than one in a directory. */
const clusterId = 'a2luZHJlZC1sb2NhbC0wMQ'
const heapOptions = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const logOptions = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
]
const nameOrPassword = /^[\w.-]+$/

export type KafkaOptions = {
  /** Takes data, configuration and log (kafka.log); made if it is not there. What it already holds is served again. */
  readonly dir: string
  /** Of the clients' listener; a free one by default. */
  readonly port?: number
  /** Go before those of properties.ts. */
  readonly properties?: Readonly<Record<string, string>>
  /** Created before it is handed over, unless they exist. */
  readonly topics?: readonly ITopicConfig[]
  /** Clients must then authenticate, and may do what ACLs let them. Names and passwords are of letters, digits, `.`, `_`, `-`. */
  readonly sasl?: Sasl
}

export type LocalKafka = LocalService & {
  readonly dir: string
  /** host:port, for clients. */
  readonly brokers: string[]
  readonly port: number
  /** host:port of a listener without authentication where all is allowed, for setting up. */
  readonly internalBrokers: string[]
}

/** In one line, what is missing to fetch and run it, and how to get that; undefined when nothing is. */
export function kafkaProblem(): string | undefined {
  return localProblem(libraries())
}

/** The directory of Kafka's jars, fetched unless it is there. */
export async function fetchKafka(): Promise<string> {
  const path = libraries()
  await fetchOnce(path, (dir) => maven('-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${dir}`))
  return path
}

/** Arguments of `java` that run a class of Kafka's, such as its console producer. */
export function kafkaArgs(jars: string, ...args: readonly string[]): string[] {
  return [...heapOptions, ...logOptions, '-cp', join(jars, '*'), ...args]
}

/** Resolves once it answers and the topics are there; rejects with the end of its log when it does not start. */
export async function startKafka(options: KafkaOptions): Promise<LocalKafka> {
  const problem = kafkaProblem()
  if (problem !== undefined) throw new Error(`a local Apache Kafka ${problem}`)
  const jars = await fetchKafka()
  const dir = resolve(options.dir)
  const { ports, config } = await configured(dir, options)
  if (!existsSync(join(dir, 'data', 'meta.properties'))) await format(jars, config, options.sasl)
  const service = await startService({
    name: 'Apache Kafka',
    args: kafkaArgs(jars, 'kafka.Kafka', config),
    log: join(dir, 'kafka.log'),
    isReady: (logged) => logged.includes('Kafka Server started'),
  })
  const kafka = Object.assign(service, {
    dir,
    brokers: [`127.0.0.1:${ports.client}`],
    internalBrokers: [`127.0.0.1:${ports.internal}`],
    port: ports.client,
  })
  await createTopics(kafka, options.topics ?? [])
  return kafka
}

function libraries(): string {
  return cachePath('kafka-local', readFileSync(pom))
}

async function configured(dir: string, { port, properties, sasl }: KafkaOptions) {
  const data = join(dir, 'data')
  const config = join(dir, 'server.properties')
  const ports = {
    client: port ?? (await freePort()),
    internal: await freePort(),
    controller: await freePort(),
  } satisfies Node['ports']
  for (const text of Object.entries(sasl?.users ?? {}).flat())
    if (!nameOrPassword.test(text)) throw new Error(`${text} does not match ${nameOrPassword}`)
  mkdirSync(data, { recursive: true })
  writeFileSync(config, propertiesFile(nodeProperties({ data, ports, sasl, properties })))
  return { ports, config }
}

async function format(jars: string, config: string, sasl: Sasl | undefined): Promise<void> {
  const users = Object.entries(sasl?.users ?? {}).flatMap(([name, password]) => [
    '--add-scram',
    `SCRAM-SHA-256=[name=${name},password=${password}]`,
  ])
  const args = ['format', '-t', clusterId, '-c', config, ...users]
  await execute(java, kafkaArgs(jars, 'kafka.tools.StorageTool', ...args))
}

async function createTopics(kafka: LocalKafka, topics: readonly ITopicConfig[]): Promise<void> {
  if (topics.length === 0) return
  const client = new Kafka({ brokers: kafka.internalBrokers, logLevel: logLevel.NOTHING })
  const admin = client.admin()
  try {
    await admin.connect()
    await admin.createTopics({ topics: [...topics] })
  } catch (error) {
    await kafka.kill()
    throw error
  } finally {
    await admin.disconnect()
  }
}
