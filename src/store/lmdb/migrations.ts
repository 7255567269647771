// Migrations: one step from each older schema to the next, each in a transaction of its own with its new number.

import type { RootDatabase } from 'lmdb'
import { FatalError } from '../../errors.ts'
import { closeLmdb, openLmdb, openNamed, transact } from '../../lmdb/open.ts'
import { schemaVersion } from './layout.ts'
import { migrate1 } from './migrate-1.ts'
import { migrate2 } from './migrate-2.ts'
import { migrate3 } from './migrate-3.ts'

/** Changes an environment of schema n into one of n + 1, inside a transaction. */
export type MigrationStep = (env: RootDatabase) => void

/** Steps by the schema that they start from. */
export const migrationSteps: ReadonlyMap<number, MigrationStep> = new Map([
  [1, migrate1],
  [2, migrate2],
  [3, migrate3],
])

/** Brings the state in `path` to `target`, step by step; an interrupted migration goes on where it stopped. */
export async function migrate(
  { path, mapSizeBytes }: { path: string; mapSizeBytes: number },
  {
    steps = migrationSteps,
    target = schemaVersion,
  }: { steps?: ReadonlyMap<number, MigrationStep>; target?: number } = {},
): Promise<{ from: number; to: number }> {
  const env = openLmdb({ path, mapSizeBytes })
  try {
    const meta = openNamed(env, 'meta')
    const schema = () => JSON.parse(meta.get('schema')?.toString('utf8') ?? 'null') as number | null
    const from = schema()
    if (from === null) throw new FatalError(`${path} is not a data directory of Kindred`)
    if (from > target)
      throw new FatalError(`${path} has schema ${from}, newer than ${target}: update Kindred`)
    for (let at = from; at < target; at = schema()!) {
      const step = steps.get(at)
      if (step === undefined)
        throw new FatalError(`no migration from schema ${at}: replay the events into a new directory`)
      transact(env, () => {
        step(env)
        meta.put('schema', Buffer.from(JSON.stringify(at + 1)))
      })
    }
    await env.flushed
    return { from, to: target }
  } finally {
    await closeLmdb(env)
  }
}
