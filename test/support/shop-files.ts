// Shops as files: the beginning of Online Retail with a tenth of its labels where the data set is there, else synthetic.
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createGunzip, gunzipSync } from 'node:zlib'
import { generateShop } from '../../src/demo/shop.ts'

/** Lines of NDJSON, without their ends. */
export type ShopLines = { readonly events: readonly string[]; readonly prototypes: readonly string[] }
export type ShopFiles = { readonly events: string; readonly prototypes: string }

const beside = fileURLToPath(new URL('../../../../shared/data', import.meta.url))

/** The first `count` events of a shop, and its labelled users. */
export async function shopLines(count: number): Promise<ShopLines> {
  const dir = process.env.KINDRED_DATA ? resolve(process.env.KINDRED_DATA) : beside
  const events = join(dir, 'online-retail.ndjson.gz')
  return existsSync(events) ? retailLines(events, count) : syntheticLines(count)
}

/** The lines as files in `dir`. */
export function writeShop(dir: string, { events, prototypes }: ShopLines): ShopFiles {
  const files = { events: join(dir, 'events.ndjson'), prototypes: join(dir, 'prototypes.ndjson') }
  writeFileSync(files.events, ndjson(events))
  writeFileSync(files.prototypes, ndjson(prototypes))
  return files
}

export function ndjson(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

/** A small shop made by the demo's generator: the same for the same seed. */
export function smallShop({
  seed,
  shoppers,
  events,
}: {
  seed: number
  shoppers: number
  events?: number
}): ShopLines {
  const shop = generateShop({ seed, shoppers })
  return {
    events: shop.events.slice(0, events).map((event) => JSON.stringify(event)),
    prototypes: shop.prototypes.map((prototype) => JSON.stringify(prototype)),
  }
}

async function retailLines(file: string, count: number): Promise<ShopLines> {
  const events: string[] = []
  const raw = createReadStream(file)
  for await (const line of createInterface({ input: raw.pipe(createGunzip()) })) {
    events.push(line)
    if (events.length === count) break
  }
  raw.destroy()
  const labels = gunzipSync(readFileSync(file.replace('retail', 'retail-personas'))).toString('utf8')
  return {
    events,
    prototypes: labels
      .split('\n')
      .filter((line) => line !== '')
      .filter((_, i) => i % 10 === 0),
  }
}

function syntheticLines(count: number): ShopLines {
  return smallShop({ seed: 1, shoppers: Math.ceil(count / 10), events: count }) // about twelve events a shopper
}
