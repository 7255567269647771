// Lookups: `GET /v1/users/:id/personas` of a real `serve` (token checked, id validated, record read) beside a bare Fastify
// route that answers a constant of the same size, under the same load; alone, and while events are ingested at full speed on
// the same cores; and the same with ten times the users. Both sides take turns, because machines are noisy; medians count.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  calmest,
  type Half,
  halfOf,
  histogramsOf,
  medians,
  msAt,
  type Pair,
  rounded,
  unrestOf,
} from './lookup/figures.ts'
import { whileIngesting } from './lookup/ingest.ts'
import { type Generator, type Measured, startGenerator, startKindred, startPeer } from './lookup/processes.ts'
import { batchIds, prepareShop, type Shop } from './lookup/shop.ts'
import { stolenShareSince } from './lookup/stolen.ts'
import {
  type BenchOptions,
  type BenchResult,
  hashOfLines,
  inTemporary,
  median,
  realSequence,
  shopSequence,
} from './shared.ts'

const connections = 32
const perSecond = 2_000
/** Batches of a hundred ids a second. */
const batchesPerSecond = 50
/** Of an answer in a batch beside the answer itself. */
const bytesBesideInBatch = '"found":true,,'.length
/** Two equal servers that differ by more in a round are in a round that says nothing about a third; and how many there may be. */
const unrestMax = Math.log(1.25)
const roundsPerPairMax = 2
const tinyShoppers = 40
/** Of the synthetic shop, where the real year is not at hand; and ten times as many. */
const shoppers = 5_000
/** Answers that are hashed, and whose mean size the bare route's answer has. */
const answersHashed = 1_000

/** Seconds of one side in one pair. */
type Size = {
  readonly pairs: number
  readonly warm: number
  readonly saturated: number
  readonly steady: number
  /** How long the same goes on before what is measured. */
  readonly lead: number
  readonly ingesting: number
  readonly batch: number
  /** Events of one replay beside lookups: more than are applied while it is measured. */
  readonly events: number
}
const full: Size = {
  pairs: 5,
  warm: 2.5,
  saturated: 2,
  steady: 10, // at a stretch: a process that stood still for others' turns is cold, and then that is what is measured
  lead: 1,
  ingesting: 3,
  batch: 4,
  events: 600_000,
}
const small: Size = {
  pairs: 1,
  warm: 0.1,
  saturated: 0.1,
  steady: 0.2,
  lead: 0.05,
  ingesting: 0.2,
  batch: 0.2,
  events: 40_000,
}

type Context = {
  readonly shop: Shop
  readonly size: Size
  readonly generator: Generator
  readonly report: (line: string) => void
}

export async function lookupBench({ tiny, report }: BenchOptions): Promise<BenchResult> {
  const size = tiny ? small : full
  return inTemporary(async (dir) => {
    using generator = startGenerator()
    const shop = await prepareShop(
      tiny ? shopSequence(tinyShoppers) : (realSequence() ?? shopSequence(shoppers)),
      join(dir, 'shop'),
    )
    report(`${shop.name}, ${shop.users} users`)
    const figures = await measure({ shop, size, generator, report })
    const oneServe = await measureAll({ shop, size, generator, report })
    const tenfold = await prepareShop(shopSequence(10 * shop.users), join(dir, 'tenfold'))
    report(`${tenfold.name}, ${tenfold.users} users`)
    const users10x = await measure({ shop: tenfold, size, generator, report })
    return { ...figures, ...oneServe, users10x }
  })
}

async function measure(context: Context): Promise<BenchResult> {
  const { shop } = context
  const { quiet, answerBytes, hash } = await measureQuiet(context)
  return {
    sequence: shop.name,
    users: shop.users,
    answer_bytes: answerBytes,
    ...quiet,
    ...(await measureIngesting(context, answerBytes)),
    result_hash: hash,
  }
}

/** Kindred, the bare route and the floor with nothing else to do. */
async function measureQuiet({ shop, size, generator, report }: Context) {
  await using kindred = await startKindred(shop.dir)
  const answers = await answersOf(kindred.port, shop)
  const answerBytes = Math.round(answers.reduce((sum, { length }) => sum + length, 0) / answers.length)
  await using bare = await startPeer('bare', answerBytes)
  await using again = await startPeer('bare', answerBytes)
  await using bareBatch = await startPeer('bare', batchIds * (answerBytes + bytesBesideInBatch))
  await using floor = await startPeer('floor', answerBytes)
  await using _targets = await targets(generator, {
    subject: { port: kindred.port, requests: shop.lookups },
    batches: { port: kindred.port, requests: shop.batches },
    bareBatches: { port: bareBatch.port, requests: shop.lookups },
    bare: { port: bare.port, requests: shop.lookups },
    again: { port: again.port, requests: shop.lookups },
    floor: { port: floor.port, requests: shop.lookups },
  })
  for (const target of ['subject', 'bare', 'again', 'floor'])
    await generator.run({ target, seconds: size.warm, lead: 0 })
  for (const target of ['batches', 'bareBatches'])
    await generator.run({ target, seconds: size.warm, lead: 0, perSecond: batchesPerSecond })
  const { lead } = size
  const saturated = await roundsOf(
    ['subject', 'bare'],
    (done) => done.length === size.pairs,
    (target) => generator.run({ target, seconds: size.saturated, lead }),
  )
  const stolenShare = stolenShareSince()
  const rounds = await roundsOf(
    ['subject', 'bare', 'again'],
    (done) =>
      done.length === roundsPerPairMax * size.pairs ||
      done.filter((round) => unrestOf(round) <= unrestMax).length === size.pairs,
    (target) => generator.run({ target, seconds: size.steady, lead, perSecond }),
  )
  const steady = calmest(rounds, size.pairs)
  const stolen = stolenShare()
  const floorSaturated = await generator.run({ target: 'floor', seconds: size.saturated, lead })
  const floorSteady = await generator.run({ target: 'floor', seconds: size.steady, lead, perSecond })
  const batches = await roundsOf(
    ['batches', 'bareBatches'],
    (done) => done.length === size.pairs,
    (target) => generator.run({ target, seconds: size.batch, lead, perSecond: batchesPerSecond }),
  )
  report(
    `${perSecond} lookups a second, ms:\n${histogramsOf({ ...sidesOf(steady), 'bare again': steady.map(({ again }) => again.histogram), floor: [floorSteady.histogram] })}`,
  )
  report(
    `${batchesPerSecond} batches of 100 a second, ms:\n${histogramsOf({ kindred: batches.map((round) => round.batches.histogram), 'bare fastify': batches.map((round) => round.bareBatches.histogram) })}`,
  )
  const rate = medians(saturated, (half) => half.perSecond)
  const p99Of = ({ histogram }: Half) => msAt(histogram, 99)
  const p99 = medians(steady, p99Of)
  const p99OfAll = medians(rounds, p99Of)
  const equal = medians(
    steady.map(({ again, bare }) => ({ subject: again, bare })),
    p99Of,
  )
  return {
    answerBytes,
    hash: hashOfLines(answers),
    quiet: {
      requests_per_second: Math.round(rate.subject),
      bare_requests_per_second: Math.round(rate.bare),
      ratio_to_bare_fastify: rounded(rate.ratio),
      generator_floor_requests_per_second: Math.round(floorSaturated.requests / floorSaturated.seconds),
      p99_ms: p99.subject,
      bare_p99_ms: p99.bare,
      p99_ratio_to_bare: rounded(p99.ratio),
      p99_ratios_to_bare: p99.ratios.map(rounded),
      steady_rounds: rounds.length,
      p99_ratio_to_bare_of_all_rounds: rounded(p99OfAll.ratio),
      bare_p99_ratio_to_bare: rounded(equal.ratio),
      bare_p99_ratios_to_bare: equal.ratios.map(rounded),
      stolen_cpu_share: stolen === undefined ? null : rounded(stolen),
      generator_floor_p99_ms: msAt(floorSteady.histogram, 99),
      generator_cpu_share: rounded(floorSteady.generatorCpuSeconds / floorSteady.seconds),
      batch100_p99_ms: median(batches.map((round) => p99Of(round.batches))),
      bare_batch100_p99_ms: median(batches.map((round) => p99Of(round.bareBatches))),
    },
  }
}

/**
 * The same rate while events are ingested at full speed: by `replay` into the directory that a `serve --role lookup` answers
 * from, and into a copy of it beside the bare route.
 */
async function measureIngesting({ shop, size, generator, report }: Context, answerBytes: number) {
  await using bare = await startPeer('bare', answerBytes)
  const pairs: Pair[] = []
  const rates: { subject: number; bare: number }[] = []
  {
    await using kindred = await startKindred(shop.dir, ['--role', 'lookup'])
    await using _targets = await targets(generator, {
      subject: { port: kindred.port, requests: shop.lookups },
      bare: { port: bare.port, requests: shop.lookups },
    })
    for (const target of ['subject', 'bare']) await generator.run({ target, seconds: size.warm, lead: 0 })
    for (let n = 0; n < size.pairs; n++) {
      const file = join(shop.dir, '..', `events-${n}.ndjson`)
      shop.writeEvents(file, { mark: `pair-${n}`, count: size.events })
      const run = (target: 'subject' | 'bare') =>
        whileIngesting({ dir: target === 'subject' ? shop.dir : shop.besideDir, file, by: 'replay' }, () =>
          generator.run({ target, seconds: size.ingesting, lead: size.lead, perSecond }),
        )
      const first = n % 2 === 0 ? 'subject' : 'bare' // by turns: what wrote the file, and what ran before, is felt by both
      const done = { [first]: await run(first) } as Record<
        'subject' | 'bare',
        Awaited<ReturnType<typeof run>>
      >
      const second = first === 'subject' ? 'bare' : 'subject'
      done[second] = await run(second)
      rmSync(file)
      pairs.push({ subject: halfOf(done.subject.result), bare: halfOf(done.bare.result) })
      rates.push({ subject: done.subject.eventsPerSecond, bare: done.bare.eventsPerSecond })
    }
  }
  report(`${perSecond} lookups a second while events are ingested, ms:\n${histogramsOf(sidesOf(pairs))}`)
  const p99 = medians(pairs, ({ histogram }) => msAt(histogram, 99))
  return {
    p99_while_ingesting_ms: p99.subject,
    bare_p99_while_ingesting_ms: p99.bare,
    p99_while_ingesting_ratio_to_bare: rounded(p99.ratio),
    ingested_events_per_second: Math.round(median(rates.map(({ subject }) => subject))),
    events_per_second_beside_bare: Math.round(median(rates.map(({ bare: rate }) => rate))),
  }
}

/** One process that ingests what stands in its log and answers lookups, on threads of its own. */
async function measureAll({ shop, size, generator, report }: Context) {
  await using kindred = await startKindred(shop.dir)
  await using _targets = await targets(generator, {
    subject: { port: kindred.port, requests: shop.lookups },
  })
  await generator.run({ target: 'subject', seconds: size.warm, lead: 0 })
  const file = join(shop.dir, '..', 'events-all.ndjson')
  shop.writeEvents(file, { mark: 'all', count: size.events })
  const { result, eventsPerSecond } = await whileIngesting({ dir: shop.dir, file, by: 'log' }, () =>
    generator.run({ target: 'subject', seconds: size.ingesting, lead: size.lead, perSecond }),
  )
  rmSync(file)
  report(
    `${perSecond} lookups a second of one process that ingests as well, ms:\n${histogramsOf({ 'one serve': [result.histogram] })}`,
  )
  return {
    one_serve_p99_while_ingesting_ms: msAt(result.histogram, 99),
    one_serve_ingested_events_per_second: Math.round(eventsPerSecond),
  }
}

/**
 * Runs the sides in turns, each at a stretch in a round and each first as often as the others, until there are `enough`.
 *
 * @returns what each did in each of the rounds
 */
async function roundsOf<Side extends string>(
  sides: readonly Side[],
  enough: (rounds: readonly Record<Side, Half>[]) => boolean,
  run: (side: Side) => Promise<Measured>,
): Promise<Record<Side, Half>[]> {
  const rounds: Record<Side, Half>[] = []
  while (!enough(rounds)) {
    const halves = new Map<Side, Half>()
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(rounds.length + turn) % sides.length]!
      halves.set(side, halfOf(await run(side)))
    }
    rounds.push(Object.fromEntries(halves) as Record<Side, Half>)
  }
  return rounds
}

function sidesOf(pairs: readonly Pair[]) {
  return {
    kindred: pairs.map(({ subject }) => subject.histogram),
    'bare fastify': pairs.map(({ bare }) => bare.histogram),
  }
}

/** Opens connections to servers; they are closed with what is returned. */
async function targets(
  generator: Generator,
  all: Readonly<Record<string, { port: number; requests: readonly string[] }>>,
): Promise<AsyncDisposable> {
  for (const [name, target] of Object.entries(all)) await generator.open({ name, connections, ...target })
  return {
    async [Symbol.asyncDispose]() {
      for (const name of Object.keys(all)) await generator.close(name)
    },
  }
}

/** The answers that the first users of the schedule get. */
async function answersOf(port: number, { looked, token }: Shop): Promise<string[]> {
  const answers: string[] = []
  for (const id of looked.slice(0, answersHashed)) {
    const url = `http://127.0.0.1:${port}/v1/users/${encodeURIComponent(id)}/personas`
    const reply = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    if (reply.status !== 200) throw new Error(`${url} answered ${reply.status}: ${await reply.text()}`)
    answers.push(await reply.text())
  }
  return answers
}
