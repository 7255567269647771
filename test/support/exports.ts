// What `export` writes, read in this process: quicker than a command where the command itself is not what is tested.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configFrom } from '../../src/config.ts'
import { exportEdges, exportProducts, exportUsers } from '../../src/lookup/export.ts'
import { snapshotOf } from '../../src/lookup/snapshot.ts'
import { openReader } from '../../src/profiler.ts'
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

export async function exportsIn(dir: string, env: Settings = {}): Promise<Exports> {
  const config = configFrom(env)
  const store = openReader({ dir, config })
  try {
    const snapshot = snapshotOf(store, config)
    const lines = (values: Iterable<object>) => [...values].map((value) => JSON.stringify(value))
    return {
      users: lines(exportUsers(snapshot)),
      products: lines(exportProducts(snapshot)),
      graph: lines(exportEdges(snapshot)),
      counters: store.counters(),
    }
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
