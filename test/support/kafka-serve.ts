// A `kindred serve` that consumes a test's Kafka.

import { configFrom } from '../../src/config.ts'
import { NoDataError } from '../../src/errors.ts'
import { openReader } from '../../src/profiler.ts'
import type { LmdbStore } from '../../src/store/lmdb/lmdb-store.ts'
import type { Settings } from './command.ts'
import { type Server, serve } from './server.ts'
import { until } from './wait.ts'

/** Short, so that a process that was killed is soon counted out. */
export const sessionMs = 1_500

export function kafkaSettings(brokers: readonly string[], more: Settings = {}): Settings {
  return {
    KINDRED_KAFKA_BROKERS: brokers.join(),
    KINDRED_KAFKA_TOPICS: 'orders',
    KINDRED_KAFKA_SESSION_MS: String(sessionMs),
    ...more,
  }
}

export function serveKafka(
  data: string,
  brokers: readonly string[],
  { env = {}, ...input }: { env?: Settings; args?: string[]; secondsMax?: number } = {},
): Promise<Server> {
  return serve(data, { env: kafkaSettings(brokers, env), ...input })
}

/** Reads a data directory, which another process may be writing; waits for one that is not made yet. */
export async function readStore<T>(data: string, read: (store: LmdbStore) => T | Promise<T>): Promise<T> {
  const store = await until('there is a store', () => {
    try {
      return openReader({ dir: data, config: configFrom({}) })
    } catch (error) {
      if (error instanceof NoDataError) return false
      throw error
    }
  })
  try {
    return await read(store)
  } finally {
    await store.close()
  }
}

/** Waits until every partition of a topic is applied up to these ends: as long as it goes on, it takes what it takes. */
export async function untilConsumed(
  data: string,
  topic: string,
  ends: ReadonlyMap<number, number>,
): Promise<void> {
  await readStore(data, async (store) => {
    const left = () =>
      [...ends].reduce((sum, [partition, end]) => {
        return sum + Math.max(0, end - store.watermark(`kafka:${topic}/${partition}`))
      }, 0)
    for (let before = left(); before > 0; before = left())
      await until(`more of ${topic} is consumed, of which ${before} are left`, () => left() < before)
  })
}

/** Whether a server says that it is ready. */
export async function isReady({ get }: Server): Promise<boolean> {
  return (await get('/readyz').catch(() => undefined))?.status === 200
}
