/**
 * Oracle, a seeded shop of any size: shoppers and products of planted kinds, a hub product, duplicates,
 * late events, returns, erasures, and a prototype set that is imported, repeated and changed.
 */
import type { OracleEvent, OracleEventType, OracleImport, OracleLabel, OracleRecord } from './model.ts'

export interface RandomRecordsOptions {
  readonly seed: number
  /** Number of event records, duplicates included. */
  readonly events: number
  readonly users: number
  readonly products: number
  /** One user in so many is a prototype; default 10. */
  readonly prototypeEvery?: number
}

const kinds = ['bakers', 'crafters', 'decorators', 'gardeners', 'givers', 'hosts'] as const

/** Imports stand at 5 %, 40 % (the same again), 60 % (changed) and 90 % (the first one back). */
export function randomRecords(options: RandomRecordsOptions): OracleRecord[] {
  const { seed, events } = options
  const random = mulberry32(seed)
  const first = importOf(options, 0)
  const imports = new Map<number, OracleImport>([
    [Math.floor(events * 0.05), first],
    [Math.floor(events * 0.4), structuredClone(first)],
    [Math.floor(events * 0.6), importOf(options, 1)],
    [Math.floor(events * 0.9), structuredClone(first)],
  ])
  const records: OracleRecord[] = []
  const recent: OracleEvent[] = []
  for (let nth = 0; nth < events; nth++) {
    const imported = imports.get(nth)
    if (imported !== undefined) records.push(imported)
    if (random() < 0.0005) records.push({ kind: 'erase', user_id: `u${pickUser(random, options.users)}` })
    if (recent.length > 0 && random() < 0.02) {
      records.push(recent[Math.floor(random() * recent.length)]!)
      continue
    }
    const event = eventOf({ nth, random, ...options })
    records.push(event)
    recent[nth % 64] = event
  }
  return records
}

function eventOf(options: RandomRecordsOptions & { nth: number; random: () => number }): OracleEvent {
  const { nth, random } = options
  const user = pickUser(random, options.users)
  const product = pickProduct(random, options.products, user % kinds.length)
  const lateMinutes = random() < 0.05 ? Math.floor(random() * 10_000) : 0
  const quantity = 1 + Math.floor(random() * 3)
  return {
    kind: 'event',
    event_id: `e${options.seed}:${nth}`,
    user_id: `u${user}`,
    product_id: `p${product}`,
    type: pickType(random()),
    ...(quantity === 1 ? {} : { quantity }),
    ts: new Date(Date.UTC(2010, 11, 1, 0, nth - lateMinutes)).toISOString(),
    title: `Product ${product}`,
  }
}

function pickUser(random: () => number, users: number): number {
  return Math.floor(users * random() ** 1.5)
}

/** The hub; else mostly products of the user's kind; else any; few are popular, most are not. */
function pickProduct(random: () => number, products: number, kind: number): number {
  if (random() < 0.05) return 0
  const product = Math.floor(products * random() ** 2.5)
  if (random() < 0.4) return product
  return Math.min(product - (product % kinds.length) + kind, products - 1)
}

function pickType(roll: number): OracleEventType {
  if (roll < 0.7) return 'purchase'
  if (roll < 0.78) return 'return'
  if (roll < 0.9) return 'view'
  return roll < 0.96 ? 'cart' : 'review'
}

/** Labels by the planted kind: alone, first of two, or one of three. `shift` moves who is labelled. */
function importOf(options: RandomRecordsOptions, shift: number): OracleImport {
  const every = options.prototypeEvery ?? 10
  const labels: OracleLabel[] = []
  for (let block = 0; block * every < options.users; block++) {
    const user = block * every + ((block + shift) % every)
    const at = (offset: number) => kinds[(user + offset) % kinds.length]!
    const spelling = block % 3
    if (spelling === 0) labels.push({ user_id: `u${user}`, personas: [at(0)] })
    if (spelling === 1) labels.push({ user_id: `u${user}`, personas: { [at(0)]: 0.7, [at(1)]: 0.3 } })
    if (spelling === 2) labels.push({ user_id: `u${user}`, personas: [at(0), at(1), at(3)] })
  }
  if (shift === 0) return { kind: 'import', labels }
  const personas = [...kinds, 'nobody'].reverse().map((name) => ({ name, description: `The ${name}.` }))
  return { kind: 'import', labels, personaSet: { version: `shift-${shift}`, personas } }
}

/** Small seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
