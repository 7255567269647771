// What `export`, `lookup` and `verify` say, read in this process: quicker, where the command itself is not what is tested.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, configFrom } from '../../src/config.ts'
import { lookUp, type PersonasAnswer } from '../../src/lookup/answer.ts'
import { exportEdges, exportProducts, exportUsers } from '../../src/lookup/export.ts'
import { PersonaNames } from '../../src/lookup/names.ts'
import { type Snapshot, snapshotOf } from '../../src/lookup/snapshot.ts'
import { verify } from '../../src/lookup/verify.ts'
import { enginePolicyOf, openReader } from '../../src/profiler.ts'
import type { Counters } from '../../src/store/port.ts'
import type { Settings } from './command.ts'
import { assertSameLines } from './same-lines.ts'

/** Lines of NDJSON. */
export type Exports = {
  readonly users: readonly string[]
  readonly products: readonly string[]
  readonly graph: readonly string[]
  readonly counters: Readonly<Counters>
}

export function exportsIn(dir: string, env: Settings = {}): Promise<Exports> {
  const lines = (values: Iterable<object>) => [...values].map((value) => JSON.stringify(value))
  return reading(dir, env, (snapshot) => ({
    users: lines(exportUsers(snapshot)),
    products: lines(exportProducts(snapshot)),
    graph: lines(exportEdges(snapshot)),
    counters: snapshot.store.counters(),
  }))
}

/** The answers for `users`; undefined for one never seen. */
export function answersIn(dir: string, users: readonly string[]): Promise<(PersonasAnswer | undefined)[]> {
  return reading(dir, {}, ({ store }) => users.map((user) => lookUp(store, new PersonaNames(store), user)))
}

/** `verify` finds nothing amiss. */
export function assertSound(dir: string, env: Settings = {}): Promise<void> {
  return reading(dir, env, (snapshot, config) => {
    const found = verify(snapshot, enginePolicyOf(config))
    assert.deepEqual(found.first_problems, [])
    assert.equal(found.score_mismatches + found.vector_mismatches + found.list_mismatches, 0)
    assert.ok(found.max_published_drift <= config.delta)
  })
}

async function reading<T>(
  dir: string,
  env: Settings,
  read: (snapshot: Snapshot, config: Config) => T,
): Promise<T> {
  const config = configFrom(env)
  const store = openReader({ dir, config })
  try {
    return read(snapshotOf(store, config), config)
  } finally {
    await store.close()
  }
}

/** The counters of a directory; undefined while it is not made yet. */
export async function countersIn(dir: string): Promise<Readonly<Counters> | undefined> {
  if (!existsSync(join(dir, 'state', 'data.mdb'))) return undefined
  try {
    const store = openReader({ dir, config: configFrom({}) })
    const counters = store.counters()
    await store.close()
    return counters
  } catch {
    return undefined // its writer is just making it
  }
}

/** Users, products and edges are the same. */
export function assertSameExports(found: Exports, expected: Exports): void {
  for (const what of ['graph', 'products', 'users'] as const)
    assertSameLines(found[what], expected[what], what)
}
