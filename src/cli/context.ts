// What commands share: where the data is, the configuration, and readers that are closed whatever happens.
import type { Command } from 'commander'
import { type Config, configFrom } from '../config.ts'
import type { Snapshot } from '../lookup/snapshot.ts'
import { snapshotOf } from '../lookup/snapshot.ts'
import { openReader, requireData } from '../profiler.ts'
import type { LmdbStore } from '../store/lmdb/lmdb-store.ts'

export const defaultDir = 'kindred-data'

/** Adds --data and --json, which nearly every command takes. */
export function withData(command: Command): Command {
  return command
    .option('--data <dir>', 'data directory', defaultDir)
    .option('--json', 'machine-readable: JSON on stdout and nothing else there', false)
}

export type DataOptions = { readonly data: string; readonly json: boolean }

export function configOf(overrides: Partial<Config> = {}): Config {
  return configFrom(process.env, overrides)
}

/** Runs `read` over one consistent state of an existing data directory. */
export async function reading<T>(
  { data }: { data: string },
  read: (store: LmdbStore, snapshot: Snapshot, config: Config) => T,
): Promise<T> {
  const config = configOf()
  requireData(data)
  const store = openReader({ dir: data, config })
  try {
    return read(store, snapshotOf(store, config), config)
  } finally {
    await store.close()
  }
}
