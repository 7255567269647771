// A real year of a shop, where it is at hand: a directory named by KINDRED_DATA, or ../shared/data beside the repository.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { OracleEvent, OracleImport, OracleLabel } from '../oracle/model.ts'

const eventsFile = 'online-retail.ndjson.gz'
const labelsFile = 'online-retail-personas.ndjson.gz'

/** Tests run from dist/test/…: the repository is two levels above `test`. */
const directory =
  process.env.KINDRED_DATA ?? fileURLToPath(new URL('../../../../shared/data/', import.meta.url))

const isThere = [eventsFile, labelsFile].every((file) => existsSync(join(directory, file)))

/** Why tests on real data are skipped; false where they run. A machine that checks for everybody does not skip. */
export const skipRealData =
  isThere || process.env.CI ? false : `no ${eventsFile} in ${directory}: name its directory with KINDRED_DATA`

/** The year's events, and every tenth label as a prototype. */
export function realYear(): { readonly events: OracleEvent[]; readonly prototypes: OracleImport } {
  const events = ndjson<OracleEvent>(eventsFile).map((event): OracleEvent => ({ ...event, kind: 'event' }))
  const labels = realLabels().filter((_, nth) => nth % 10 === 0)
  return { events, prototypes: { kind: 'import', labels } }
}

/** The labels of all 3,437 labelled users: the truth. */
export function realLabels(): OracleLabel[] {
  return ndjson<OracleLabel>(labelsFile)
}

function ndjson<T>(file: string): T[] {
  const lines = gunzipSync(readFileSync(join(directory, file)))
    .toString('utf8')
    .trim()
    .split('\n')
  return lines.map((line) => JSON.parse(line) as T)
}
