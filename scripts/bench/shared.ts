// What the benchmarks share: where data sets lie, the sequences they run, temporary directories, medians and hashes.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { type LabelLine, parseLabels } from '../../src/codec/prototypes.ts'
import { generateShop } from '../../src/demo/shop.ts'
import { decodeBlock } from '../../src/source/log-block.ts'
import { type EncodedChunk, encodedChunks, readAhead } from '../../src/source/read-ahead.ts'

/** What a benchmark measured, fields in snake_case. */
export type BenchResult = Readonly<Record<string, unknown>>
export type BenchOptions = { readonly tiny: boolean; readonly report: (line: string) => void }
export type Bench = (options: BenchOptions) => Promise<BenchResult>

/** Every k-th labelled user of the real file is a prototype. */
const prototypesEvery = 10
const tinyShoppers = 300
const shoppers = 20_000

/** A sequence of events with its prototypes; `chunks` reads it anew each time. */
export type Sequence = {
  readonly name: string
  readonly labels: readonly LabelLine[]
  chunks(): AsyncIterable<EncodedChunk>
}

/** The year of Online Retail where it is at hand and asked for; else a synthetic shop of a fixed seed. */
export function eventSequence({ tiny }: { tiny: boolean }): Sequence {
  return (tiny ? undefined : realSequence()) ?? shopSequence(tiny ? tinyShoppers : shoppers)
}

/** The year of Online Retail; undefined where it is not at hand. */
export function realSequence(): Sequence | undefined {
  const file = dataFile('online-retail.ndjson.gz')
  const labels = dataFile('online-retail-personas.ndjson.gz')
  if (file === undefined || labels === undefined) return undefined
  const text = gunzipSync(readFileSync(labels)).toString('utf8')
  return {
    name: 'online-retail',
    labels: parseLabels(text, labels).filter((_, i) => i % prototypesEvery === 0),
    chunks: () => readAhead({ path: file, source: 'file:online-retail', fromLine: 0 }),
  }
}

/** A synthetic shop of so many shoppers, of a fixed seed. */
export function shopSequence(count: number): Sequence {
  const shop = generateShop({ seed: 1, shoppers: count })
  const lines = shop.events.map((event) => `${JSON.stringify(event)}\n`)
  const labels = shop.prototypes.map((prototype) => JSON.stringify(prototype)).join('\n')
  return {
    name: 'synthetic shop',
    labels: parseLabels(labels, 'synthetic shop'),
    chunks: () =>
      encodedChunks('shop', { source: 'file:shop', input: Readable.from([Buffer.from(lines.join(''))]) }),
  }
}

/** A file of the data sets' directory (KINDRED_DATA, or ../shared/data beside the checkout); undefined if not there. */
function dataFile(name: string): string | undefined {
  const path = join(resolve(process.env.KINDRED_DATA || '../shared/data'), name)
  return existsSync(path) ? path : undefined
}

/** Runs `work` in a directory of its own, removed after. */
export async function inTemporary<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'kindred-bench-'))
  try {
    return await work(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Anonymous memory of this process now, MB: what is resident and not pages of mapped files (on Linux; else all of it). */
export function anonymousMb(): number {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : ''
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? process.memoryUsage().rss / 1e6 : (Number(kilobytes) * 1024) / 1e6
}

/** A hash of lines in sorted order: what a run gave, whatever order it gave it in. */
export function hashOfLines(lines: readonly string[]): string {
  const hash = createHash('sha256')
  for (const line of [...lines].sort()) hash.update(line).update('\n')
  return hash.digest('hex').slice(0, 32)
}

/** The lines of a sequence's events. */
export async function linesOf(sequence: Sequence): Promise<string[]> {
  const lines: string[] = []
  for await (const { blocks } of sequence.chunks())
    for (const { bytes } of blocks)
      for (const { text } of decodeBlock(Buffer.from(bytes.buffer as ArrayBuffer), { first: 0, logName: '' }))
        lines.push(text)
  return lines
}

/** A sequence's labels as a file of prototypes. */
export function writeLabels(file: string, labels: readonly LabelLine[]): void {
  writeFileSync(
    file,
    labels.map(({ user_id, personas }) => `${JSON.stringify({ user_id, personas })}\n`).join(''),
  )
}

/** The value below which this share of the values lie; not a number for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Counts of values (ms) between bounds, as lines with bars. */
export function histogramOf(values: readonly number[]): string {
  const bounds = [5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 250, 350, 500, 1000, Number.POSITIVE_INFINITY]
  const counts = bounds.map((bound, i) => values.filter((v) => v < bound && v >= (bounds[i - 1] ?? 0)).length)
  const most = Math.max(1, ...counts)
  return bounds
    .map((bound, i) => {
      const name = bound === Number.POSITIVE_INFINITY ? `from ${bounds[i - 1]}` : `below ${bound}`
      return `${name.padStart(12)} ${String(counts[i]).padStart(6)} ${'#'.repeat(Math.round((counts[i]! / most) * 50))}`
    })
    .join('\n')
}
