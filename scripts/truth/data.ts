// What truth experiments share: the real data (or, tiny, the demo's shop), written as the files that commands take, and the
// commands themselves, run as anybody would.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { labelsOfSet } from '../../src/cli/evaluate.ts'
import { readImport } from '../../src/cli/read-import.ts'
import { configFrom } from '../../src/config.ts'
import type { LabelledGraph } from '../../src/core/labelled.ts'
import { generateShop } from '../../src/demo/shop.ts'
import { readLabelled } from '../../src/pipeline/labelled.ts'
import { openReader } from '../../src/profiler.ts'

const cli = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
const tinyShoppers = 400
const outputMax = 256 * 1024 * 1024

export type TruthEvent = {
  readonly event_id: string
  readonly user_id: string
  readonly product_id: string
  readonly type: string
  readonly quantity: number
  readonly ts: string
}
export type TruthLabel = { readonly user_id: string; readonly personas: readonly string[] }
export type Experiment = {
  readonly dir: string
  readonly tiny: boolean
  readonly report: (line: string) => void
}
/** A shop with its truth: events in order of time, and the personas of some of its users. */
export type LabelledShop = {
  readonly name: string
  readonly events: TruthEvent[]
  readonly labels: TruthLabel[]
}

/** The year of Online Retail with its published labels; tiny: the demo's shop with the personas it planted first. */
export function labelledYear({ tiny }: Experiment): LabelledShop {
  if (!tiny)
    return {
      name: 'Online Retail',
      events: linesOf<TruthEvent>('online-retail.ndjson.gz'),
      labels: linesOf<TruthLabel>('online-retail-personas.ndjson.gz'),
    }
  const { events, shoppers } = generateShop({ seed: 1, shoppers: tinyShoppers })
  return {
    name: 'synthetic shop',
    events: [...events],
    labels: shoppers.map(({ user_id, planted }) => ({ user_id, personas: [planted[0]!.persona] })),
  }
}

/** Lines of a data set (KINDRED_DATA, or ../shared/data beside the checkout). Throws when it is not there. */
export function linesOf<T>(name: string): T[] {
  const path = join(resolve(process.env.KINDRED_DATA || '../shared/data'), name)
  if (!existsSync(path))
    throw new Error(`${name} is not there: set KINDRED_DATA to the directory of the data sets`)
  return parsed(gunzipSync(readFileSync(path)).toString('utf8'))
}

export function readNdjson<T>(path: string): T[] {
  return parsed(readFileSync(path, 'utf8'))
}

function parsed<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

/** Writes NDJSON into the experiment's directory; the file's path. */
export function write({ dir }: Experiment, name: string, lines: readonly object[]): string {
  const path = join(dir, name)
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return path
}

/** Runs a command of Kindred with --json; what it printed. */
export async function kindred<T>(args: readonly string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args, '--json'], {
    maxBuffer: outputMax,
  })
  return JSON.parse(stdout) as T
}

/** The labelled users' graph of a data directory. */
export async function graphOf(data: string, labels: string): Promise<LabelledGraph> {
  const store = openReader({ dir: data, config: configFrom({}) })
  try {
    const set = readImport(labels, undefined)
    const personas = set.personas.map(({ name }) => name)
    return readLabelled(store, { labels: labelsOfSet(set, store), personas, repeat: 'once' })
  } finally {
    await store.close()
  }
}
