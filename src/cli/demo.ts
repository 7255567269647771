// demo: a synthetic shop with planted personas through the whole pipeline, and how often the answers were right.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { ChangeEvent } from '../codec/change-event.ts'
import { importOf } from '../codec/prototypes.ts'
import type { Config } from '../config.ts'
import type { UserIndex } from '../core/ids.ts'
import { type DemoShop, generateShop } from '../demo/shop.ts'
import { UsageError } from '../errors.ts'
import { explain } from '../lookup/explain.ts'
import { snapshotOf } from '../lookup/snapshot.ts'
import { openProfiler, type Profiler } from '../profiler.ts'
import { configOf } from './context.ts'
import { describeExplanation } from './explain.ts'
import { bar, grouped, Progress, percent, print, printJson, table } from './output.ts'

const recordsPerBlock = 512
const purchaseMarks = [1, 2, 3, 5, 10, 20]
const explainedShoppers = 3
const changesShown = 5

type DemoOptions = {
  readonly seed: string
  readonly shoppers: string
  readonly data?: string
  readonly json: boolean
  readonly kafka: boolean
  readonly produce: boolean
  readonly rate: string
  readonly seedDir?: string
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'run a synthetic maternity shop through the whole thing and show how often the personas are right',
    )
    .option('--seed <n>', 'seed of the shop', '1')
    .option('--shoppers <n>', 'number of shoppers', '5000')
    .option('--data <dir>', 'keep the data in this new directory (to look up and explain more)')
    .option(
      '--kafka',
      'over a real Apache Kafka that is started on this machine (needs Java 17 and Maven)',
      false,
    )
    .option('--produce', 'only produce the events to the topic of KINDRED_KAFKA_TOPICS', false)
    .option('--rate <n>', 'with --produce: events a second', '500')
    .option('--seed-dir <dir>', 'with --produce: write labels.ndjson and personas.json here first')
    .option('--json', 'machine-readable: one JSON document on stdout', false)
    .action(async (options: DemoOptions) => {
      if (options.produce) return produceOnly(options)
      if (options.data !== undefined && existsSync(options.data))
        throw new UsageError(`${options.data} exists: name a new directory`)
      const dir = options.data ?? mkdtempSync(join(tmpdir(), 'kindred-demo-'))
      try {
        await (options.kafka ? runOverKafka(dir, options) : runDemo(dir, options))
      } finally {
        if (options.data === undefined) rmSync(dir, { recursive: true, force: true })
      }
    })
}

async function produceOnly(options: DemoOptions): Promise<void> {
  const rate = Number(options.rate)
  if (!(rate > 0)) throw new UsageError('--rate is a number above 0')
  const { produceShop } = await import('./demo-kafka.ts')
  const shop = shopOf(options)
  await produceShop(shop, { config: configOf(), rate, seedDir: options.seedDir })
  const produced = { events: shop.events.length, shoppers: shop.shoppers.length }
  if (options.json) printJson(produced)
  else print(`${grouped(produced.events)} events of ${grouped(produced.shoppers)} shoppers are produced\n`)
}

async function runOverKafka(dir: string, options: DemoOptions): Promise<void> {
  const { describeStream, streamOverKafka } = await import('./demo-kafka.ts')
  const shop = shopOf(options)
  await streamOverKafka(dir, {
    shop,
    look(profiler, stream) {
      const report = reportOf(profiler, shop, { ...stream, guesses: new Map() })
      if (options.json) return printJson(report)
      print(describeStream(stream, report.changes))
      show(profiler, { shop, report, config: configOf(), options })
    },
  })
}

async function runDemo(dir: string, options: DemoOptions): Promise<void> {
  const config = configOf()
  const shop = shopOf(options)
  await using profiler = openProfiler({ dir, config, role: 'demo', commitInThread: true })
  if (!options.json)
    print(
      `A maternity shop of ${grouped(shop.shoppers.length)} shoppers and ${shop.products.length} products: ${grouped(shop.events.length)} events over a year.\n` +
        `${grouped(shop.prototypes.length)} shoppers are labelled (prototypes); the others are inferred from what they buy.\n\n`,
    )
  profiler.log.appendControl({
    kind: 'import',
    set: importOf(shop.prototypes, shop.personas.personas),
    at: Date.parse(shop.events[0]!.ts),
  })
  await profiler.consumer.drain()
  const run = await stream(profiler, shop)
  const report = reportOf(profiler, shop, run)
  if (options.json) printJson(report)
  else show(profiler, { shop, report, config, options })
}

function shopOf({ seed, shoppers }: DemoOptions): DemoShop {
  try {
    return generateShop({ seed: Number(seed), shoppers: Number(shoppers) })
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

type Run = {
  readonly seconds: number
  readonly rewalks: number
  readonly guesses: Map<number, { right: number; of: number }>
}

/** Feeds the shop's events, and looks at every answer as its user's purchases are counted. */
async function stream(profiler: Profiler, shop: DemoShop): Promise<Run> {
  const guesses = new Map(purchaseMarks.map((mark) => [mark, { right: 0, of: 0 }]))
  const prototypes = new Set(shop.prototypes.map(({ user_id }) => user_id))
  const planted = new Map(shop.shoppers.map(({ user_id, planted }) => [user_id, planted]))
  const bought = new Map<string, number>()
  const progress = new Progress()
  const before = profiler.store.counters().rewalks
  const started = performance.now()
  let looking = 0
  for (let from = 0; from < shop.events.length; from += recordsPerBlock) {
    const events = shop.events.slice(from, from + recordsPerBlock)
    profiler.log.append([
      { format: { kind: 'json' }, records: events.map((event) => Buffer.from(JSON.stringify(event))) },
    ])
    await profiler.consumer.drain()
    const looked = performance.now()
    for (const { user_id, type, ts } of events) {
      if (type !== 'purchase' || prototypes.has(user_id)) continue
      const count = (bought.get(user_id) ?? 0) + 1
      bought.set(user_id, count)
      const mark = guesses.get(count)
      if (mark === undefined) continue
      mark.of++
      const truth = planted.get(user_id)!.findLast((persona) => persona.from <= ts)?.persona
      if (primaryOf(profiler, user_id) === truth) mark.right++
    }
    looking += performance.now() - looked
    progress.show(() => `${bar((from + events.length) / shop.events.length)} ${events[0]!.ts.slice(0, 10)}`)
  }
  await profiler.consumer.checkpoint()
  progress.end()
  const seconds = (performance.now() - started - looking) / 1000
  return { seconds, rewalks: profiler.store.counters().rewalks - before, guesses }
}

function primaryOf({ store }: Profiler, userId: string): string | undefined {
  const row = store.user(store.userIndexOf(userId)!)!
  return store.version(row.version)?.personas[row.primary]?.name
}

function reportOf(profiler: Profiler, shop: DemoShop, { seconds, rewalks, guesses }: Run) {
  const prototypes = new Set(shop.prototypes.map(({ user_id }) => user_id))
  const truth = shop.shoppers.filter(
    ({ user_id }) => !prototypes.has(user_id) && profiler.store.userIndexOf(user_id) !== undefined,
  )
  const counts = new Map<string, number>()
  let right = 0
  let answered = 0
  for (const { user_id, planted } of truth) {
    const now = planted.at(-1)!.persona
    const primary = primaryOf(profiler, user_id)
    counts.set(now, (counts.get(now) ?? 0) + 1)
    if (primary !== undefined) answered++
    if (primary === now) right++
  }
  return {
    events: shop.events.length,
    seconds: Math.round(seconds * 100) / 100,
    events_per_second: Math.round(shop.events.length / seconds),
    rewalks_per_event: Math.round((rewalks / shop.events.length) * 100) / 100,
    shoppers: truth.length,
    answered: answered / truth.length,
    accuracy: right / truth.length,
    accuracy_of_the_commonest: Math.max(...counts.values()) / truth.length,
    by_purchases: [...guesses].map(([purchases, { right, of }]) => ({
      purchases,
      shoppers: of,
      accuracy: of === 0 ? 0 : right / of,
    })),
    changes: profiler.store.counters().changes,
  }
}

type Shown = { shop: DemoShop; report: ReturnType<typeof reportOf>; config: Config; options: DemoOptions }

function show(profiler: Profiler, { shop, report, config, options }: Shown): void {
  print(
    `${grouped(report.events)} events in ${report.seconds} s: ${grouped(report.events_per_second)} events/s, ${report.rewalks_per_event} re-walks an event.\n\n`,
  )
  print(
    `The primary persona is the planted one for ${percent(report.accuracy)} of ${grouped(report.shoppers)} unlabelled shoppers\n`,
  )
  const grows = report.by_purchases.length === 0 ? '' : ' It grows with the purchases seen:'
  print(`(always guessing the commonest: ${percent(report.accuracy_of_the_commonest)}).${grows}\n`)
  for (const { purchases, shoppers, accuracy } of report.by_purchases)
    print(
      `  after ${String(purchases).padStart(2)}  ${bar(accuracy, 25)} ${percent(accuracy).padStart(6)}  of ${grouped(shoppers)} shoppers\n`,
    )
  print('\nThree shoppers, and why:\n\n')
  for (const userId of explained(profiler, shop)) {
    const snapshot = snapshotOf(profiler.store, config)
    const planted = shop.shoppers
      .find(({ user_id }) => user_id === userId)!
      .planted.map(({ persona, from }) => `${persona} since ${from.slice(0, 10)}`)
    print(`${describeExplanation(explain(snapshot, { userId })!)}  planted: ${planted.join(', ')}\n\n`)
  }
  print('The last persona changes, as a CRM would get them:\n')
  print(
    `${table(lastChanges(profiler).map((change) => [change.occurred_at.slice(0, 16).replace('T', ' '), change.user_id, changeText(change)]))}\n\n`,
  )
  print(nextSteps(options, shop))
}

/** Three unlabelled shoppers worth reading: inferred, of different personas, with a dozen products or so. */
function explained({ store }: Profiler, shop: DemoShop): string[] {
  const shown = new Map<number, string>()
  const prototypes = new Set(shop.prototypes.map(({ user_id }) => user_id))
  const candidates = [...shop.shoppers].sort((a, b) => b.planted.length - a.planted.length)
  for (const { user_id } of candidates) {
    const user = store.userIndexOf(user_id)
    if (shown.size === explainedShoppers || user === undefined || prototypes.has(user_id)) continue
    const degree = store.userDegree(user as UserIndex)
    const row = store.user(user)!
    if (degree >= 8 && degree <= 16 && row.held.length > 0 && !shown.has(row.primary))
      shown.set(row.primary, user_id)
  }
  return [...shown.values()]
}

function lastChanges({ store }: Profiler): ChangeEvent[] {
  const { changes } = store.counters()
  return store
    .changes(Math.max(0, changes - changesShown), changesShown)
    .map(({ json }) => JSON.parse(json) as ChangeEvent)
}

function changeText({ entered, exited, primary, previous_primary: before, evidence }: ChangeEvent): string {
  const parts = [
    ...entered.map(({ persona }) => `+ ${persona}`),
    ...exited.map(({ persona }) => `− ${persona}`),
  ]
  if (parts.length === 0) parts.push(`primary ${before ?? 'none'} → ${primary ?? 'none'}`)
  const because = evidence[0] === undefined ? '' : `  (${evidence[0].title ?? evidence[0].product_id})`
  return parts.join(', ') + because
}

function nextSteps({ data }: DemoOptions, shop: DemoShop): string {
  const example = shop.shoppers.find(({ user_id }) =>
    shop.prototypes.every((prototype) => prototype.user_id !== user_id),
  )!.user_id
  const first = data === undefined ? 'npm run demo -- --data demo-data        # keep the data, then:\n  ' : ''
  const dir = data ?? 'demo-data'
  return `Next:\n  ${first}npm run -s kindred -- explain ${example} --data ${dir}\n  npm run -s kindred -- verify --data ${dir}\n  npm run -s kindred -- serve --data ${dir}   # then GET /v1/users/${example}/personas\n`
}
