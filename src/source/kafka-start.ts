// Where each partition is read from: the store's watermark if the topic still has it; else what was asked for. Records
// that are gone are told of and never skipped silently.
import type { Admin } from 'kafkajs'
import { FatalError } from '../errors.ts'
import { epochSourceOf, type Partition, sourceOf } from '../kafka/names.ts'
import type { RecordBatch } from './port.ts'

export type StartOptions = {
  /** earliest, latest, or a time (ISO 8601): for topics that the store knows nothing of. */
  readonly from: string
  readonly reset: 'fail' | 'earliest'
  /** The store's watermarks by source. */
  readonly watermarks: Readonly<Record<string, number>>
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Batches without records that set where sources begin: those that the store does not know, or that begin anew. */
export async function beginnings(
  admin: Admin,
  topics: readonly string[],
  options: StartOptions,
): Promise<RecordBatch[]> {
  const begins: RecordBatch[] = []
  for (const topic of topics) {
    const ends = await admin.fetchTopicOffsets(topic)
    const known = ends.some(({ partition }) => sourceOf({ topic, partition }) in options.watermarks)
    const starts = known ? undefined : await startsOf(admin, topic, options.from)
    for (const { partition, low, high } of ends) {
      const range = { low: Number(low), high: Number(high) }
      const start = starts?.get(partition) ?? range.low // a partition added to a known topic: from its beginning
      begins.push(...beginningsOf({ topic, partition }, { start, ...range }, options))
    }
  }
  return begins
}

/** Offsets by partition where a new topic is read from; undefined: from its beginning. */
async function startsOf(admin: Admin, topic: string, from: string): Promise<Map<number, number> | undefined> {
  if (from === 'earliest') return undefined
  const offsets =
    from === 'latest'
      ? await admin.fetchTopicOffsets(topic)
      : await admin.fetchTopicOffsetsByTimestamp(topic, Date.parse(from))
  return new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]))
}

function beginningsOf(
  partition: Partition,
  { start, low, high }: { start: number; low: number; high: number },
  { reset, watermarks, warn }: StartOptions,
): RecordBatch[] {
  const source = sourceOf(partition)
  const begin = (next: number): RecordBatch => ({ source, records: [], next, begins: true })
  const stored = watermarks[source]
  if (stored === undefined) return [begin(start)]
  if (stored >= low && stored <= high) return []
  const gone =
    stored < low
      ? `records ${stored} to ${low - 1} of ${source} are gone from the topic before they were read (its retention is too short, or this process was away for too long)`
      : `${source} ends at ${high}, and ${stored} records of it were read: the topic was made anew or has lost its end`
  if (reset === 'fail')
    throw new FatalError(
      `${gone}; to go on from the earliest record there is, start with KINDRED_KAFKA_OFFSET_RESET=earliest`,
    )
  warn(`${gone}; going on from the earliest record there is`, { source, stored, low, high })
  if (stored < low) return [begin(low)]
  // offsets are used again: references to its records get another name, so that no change event repeats an event_id
  const epoch = epochSourceOf(partition)
  return [{ source: epoch, records: [], next: (watermarks[epoch] ?? 0) + 1, begins: true }, begin(low)]
}
