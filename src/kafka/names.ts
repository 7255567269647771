// Names: which topics are consumed, what a partition is called as a source, and where dead letters go.
import { UsageError } from '../errors.ts'

export type Partition = { readonly topic: string; readonly partition: number }

/** The source of a partition: `kafka:orders/3`. A topic that was made anew goes on as `kafka:orders/3#1` in references. */
export function sourceOf({ topic, partition }: Partition): string {
  return `kafka:${topic}/${partition}`
}

/** The partition that a source or a reference names; undefined for what is no partition. */
export function partitionOf(source: string): Partition | undefined {
  const found = /^kafka:([A-Za-z0-9._-]+)\/(\d+)(?:#\d+)?$/.exec(source)
  return found === null ? undefined : { topic: found[1]!, partition: Number(found[2]) }
}

/** Where the number of times is kept that a partition began anew. */
export function epochSourceOf(partition: Partition): string {
  return `${sourceOf(partition)}#`
}

export type TopicSelection =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: RegExp }

const topicName = /^[A-Za-z0-9._-]{1,249}$/

/** Parses KINDRED_KAFKA_TOPICS: names separated by commas, or one /pattern/. Throws UsageError. */
export function parseTopics(text: string): TopicSelection | undefined {
  if (text === '') return undefined
  if (text.startsWith('/')) {
    const end = text.lastIndexOf('/')
    try {
      return { kind: 'pattern', pattern: new RegExp(`^(?:${text.slice(1, end)})$`, text.slice(end + 1)) }
    } catch (error) {
      throw new UsageError(`KINDRED_KAFKA_TOPICS: ${(error as Error).message}`)
    }
  }
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '')
  for (const name of names)
    if (!topicName.test(name))
      throw new UsageError(`KINDRED_KAFKA_TOPICS: ${JSON.stringify(name)} cannot be the name of a topic`)
  return { kind: 'names', names }
}

/** Of the topics there are, those that are consumed: never Kafka's own, nor what Kindred itself writes. */
export function selectTopics(
  selection: TopicSelection,
  existing: readonly string[],
  { outputs, deadLetterSuffix }: { outputs: readonly string[]; deadLetterSuffix: string },
): { topics: string[]; missing: string[] } {
  if (selection.kind === 'names') {
    const there = new Set(existing)
    return {
      topics: selection.names.filter((name) => there.has(name)),
      missing: selection.names.filter((name) => !there.has(name)),
    }
  }
  const own = (name: string) =>
    outputs.includes(name) ||
    name.startsWith('__') ||
    (deadLetterSuffix !== '' && name.endsWith(deadLetterSuffix))
  return { topics: existing.filter((name) => selection.pattern.test(name) && !own(name)).sort(), missing: [] }
}

/** Group that keeps, transactionally, how far change events and dead letters were emitted. */
export function registerGroupOf(group: string): string {
  return `${group}${registerSuffix}`
}

export function isRegisterGroup(group: string): boolean {
  return group.endsWith(registerSuffix)
}

const registerSuffix = '.register'
