// What stands in `<data dir>/labelling`.
import { join } from 'node:path'

export function labellingDir(dataDir: string): string {
  return join(dataDir, 'labelling')
}

/** Paid answers by content. */
export function cacheFile(dir: string): string {
  return join(dir, 'answers.ndjson')
}

/** Every call. */
export function ledgerFile(dir: string): string {
  return join(dir, 'ledger.ndjson')
}

/** The batch that is not fetched yet. */
export function batchFile(dir: string): string {
  return join(dir, 'batch.json')
}
