// A real Kafka for a test, in a directory of its own. Where Java or Maven are missing such tests are skipped, but never on CI.
import { after, before } from 'node:test'
import {
  type KafkaOptions,
  kafkaProblem,
  type LocalKafka,
  startKafka,
} from '../../scripts/kafka-local/kafka.ts'
import { type LocalRegistry, registryProblem, startRegistry } from '../../scripts/kafka-local/registry.ts'
import { makeDirectory, removeDirectory, withDirectory } from './command.ts'

/** Why tests on Kafka are skipped; false where they run. */
export const skipKafka = skipFor('Apache Kafka', kafkaProblem)

/** Why tests on a schema registry are skipped; false where they run. */
export const skipRegistry = skipFor('a schema registry', registryProblem)

/** Runs `work` with a new Kafka, which has ended after. */
export function withKafka<T>(
  options: Omit<KafkaOptions, 'dir'>,
  work: (kafka: LocalKafka) => Promise<T>,
): Promise<T> {
  return withDirectory(async (dir) => {
    await using kafka = await startKafka({ ...options, dir })
    return await work(kafka)
  })
}

/** One Kafka for the cases of a suite: started before the first, ended after the last. */
export function sharedKafka(options: Omit<KafkaOptions, 'dir'> = {}): () => LocalKafka {
  const dir = makeDirectory()
  let kafka: LocalKafka | undefined
  before(async () => {
    kafka = await startKafka({ ...options, dir })
  })
  after(async () => {
    await kafka?.[Symbol.asyncDispose]()
    removeDirectory(dir)
  })
  return () => kafka!
}

/** Runs `work` with a new and empty registry, which has ended after. */
export function withRegistry<T>(work: (registry: LocalRegistry) => Promise<T>): Promise<T> {
  return withDirectory(async (dir) => {
    await using registry = await startRegistry({ dir })
    return await work(registry)
  })
}

function skipFor(what: string, problem: () => string | undefined): string | false {
  const found = process.env.CI ? undefined : problem()
  return found === undefined ? false : `${what} ${found}`
}
