// Streaming truth: nine months warm up, some users are labelled as of then, three months stream. How right is what is held of
// users who were new in those months, by days since their first purchase and by products seen? Read from the change events,
// as whoever acts on them would.
import { join } from 'node:path'
import { configFrom } from '../../src/config.ts'
import { bestThreshold } from '../../src/core/calibration.ts'
import { linePlot } from '../../src/evaluation/plot.ts'
import { sampleRound } from '../../src/labelling/candidates.ts'
import { openReader } from '../../src/profiler.ts'
import {
  type Experiment,
  kindred,
  labelledYear,
  readNdjson,
  type TruthEvent,
  type TruthLabel,
  write,
} from './data.ts'

const warmUpShare = 0.75
const budgetShare = 0.1
const daysAfter = [0, 1, 3, 7, 14, 30, 60] as const
const productsSeen = [1, 3, 5, 10, 20, 50] as const
const dayMs = 86_400_000

type Change = {
  readonly user_id: string
  /** `position`: the line of the streamed file, from 1. */
  readonly cause: { readonly position: number }
  readonly personas: readonly { persona: string }[]
}
type F1 = { readonly micro_f1: number; readonly base_rate_f1: number; readonly users: number }
export type StreamingTruth = {
  readonly shop: string
  readonly warmed_up_to: string
  readonly prototypes: number
  readonly by_days: readonly (F1 & { days: number })[]
  readonly by_products: readonly (F1 & { products: number })[]
  readonly plot: string
}

export async function streamingTruth(experiment: Experiment): Promise<StreamingTruth> {
  const { name, events, labels } = labelledYear(experiment)
  const [first, last] = [Date.parse(events[0]!.ts), Date.parse(events.at(-1)!.ts)]
  const split = first + warmUpShare * (last - first)
  const at = events.findIndex(({ ts }) => Date.parse(ts) >= split)
  const truth = new Map(labels.map(({ user_id, personas }) => [user_id, new Set(personas)]))
  const [data, changes] = ['data', 'changes.ndjson'].map((file) => join(experiment.dir, file)) as [
    string,
    string,
  ]
  await kindred(['replay', write(experiment, 'warm-up.ndjson', events.slice(0, at)), '--data', data])
  const chosen = await chooseLabelled(data, { labels, budget: Math.round(budgetShare * labels.length) })
  await kindred(['prototypes', 'import', write(experiment, 'prototypes.ndjson', chosen), '--data', data])
  const summary = await kindred<{ changes: number }>([
    ...['replay', write(experiment, 'stream.ndjson', events.slice(at)), '--data', data, '--changes', changes],
  ])
  experiment.report(`${events.length - at} events streamed, ${summary.changes} changes`)
  const held = new HeldOverTime(changes)
  const prototypes = new Set(chosen.map(({ user_id }) => user_id))
  const shoppers = newShoppers(events, at).filter(
    ({ userId }) => truth.has(userId) && !prototypes.has(userId),
  )
  const commonest = commonestOf(chosen)
  const stream = events.slice(at)
  const judge = (lineOf: (shopper: Shopper) => number | undefined, of = shoppers): F1 => {
    const [ours, base] = [new Tally(), new Tally()]
    for (const shopper of of) {
      const line = lineOf(shopper)
      if (line === undefined) continue
      ours.add(held.of(shopper.userId, line), truth.get(shopper.userId)!)
      base.add(commonest, truth.get(shopper.userId)!)
    }
    return { micro_f1: ours.f1, base_rate_f1: base.f1, users: ours.users }
  }
  // the same shoppers at all days: those who came early enough to be looked at for the longest of them
  const seenToTheEnd = shoppers.filter(
    ({ firstMs }) => lineAfter(stream, firstMs, daysAfter.at(-1)!) !== undefined,
  )
  const byDays = daysAfter
    .map((days) => ({ days, ...judge(({ firstMs }) => lineAfter(stream, firstMs, days), seenToTheEnd) }))
    .filter(({ users }) => users > 0)
  const byProducts = productsSeen
    .map((products) => ({ products, ...judge(({ seenAt }) => seenAt[products - 1]) }))
    .filter(({ users }) => users > 0)
  return {
    shop: name,
    warmed_up_to: new Date(split).toISOString(),
    prototypes: chosen.length,
    by_days: byDays,
    by_products: byProducts,
    plot: plotOf(byDays),
  }
}

/** The last line within so many days of the first purchase (an hour for none: its basket is whole then), if all were streamed. */
function lineAfter(stream: readonly TruthEvent[], firstMs: number, days: number): number | undefined {
  const moment = firstMs + Math.max(days * dayMs, dayMs / 24)
  if (moment > Date.parse(stream.at(-1)!.ts)) return undefined
  let [from, to] = [0, stream.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (Date.parse(stream[middle]!.ts) <= moment) from = middle + 1
    else to = middle
  }
  return from - 1
}

/** Users labelled as of now, sampled in rounds as `prototypes label` does, with the truth as labeller. */
async function chooseLabelled(
  data: string,
  { labels, budget }: { labels: readonly TruthLabel[]; budget: number },
): Promise<TruthLabel[]> {
  const truth = new Map(labels.map((label) => [label.user_id, label]))
  const taken = new Set<string>()
  const chosen = new Map<string, TruthLabel>()
  const config = configFrom({})
  const store = openReader({ dir: data, config })
  for (let round = 0; round < sampling.rounds; round++) {
    const count = Math.round((budget * (round + 1)) / sampling.rounds) - chosen.size
    const known = new Map([...chosen].map(([userId, label]) => [userId, sharesOf(label)]))
    const { users } = sampleRound(store, {
      ...sampling,
      kappa: config.kappa,
      labels: known,
      taken,
      count,
    })
    for (const { userId } of users) {
      taken.add(userId)
      const label = truth.get(userId)
      if (label !== undefined) chosen.set(userId, label)
    }
  }
  await store.close()
  return [...chosen.values()]
}

const sampling = { method: 'du', seed: 1, purchasesMin: 3, rounds: 4 } as const

function sharesOf({ personas }: TruthLabel): Record<string, number> {
  return Object.fromEntries(personas.map((name) => [name, 1]))
}

/** `seenAt`: the lines at which further products were bought first. */
type Shopper = { readonly userId: string; readonly firstMs: number; readonly seenAt: readonly number[] }

/** Users whose first event is at `from` or later. */
function newShoppers(events: readonly TruthEvent[], from: number): Shopper[] {
  const known = new Set(events.slice(0, from).map(({ user_id }) => user_id))
  const shoppers = new Map<string, { firstMs: number; seen: Set<string>; seenAt: number[] }>()
  for (const [line, { user_id, product_id, type, ts }] of events.slice(from).entries()) {
    if (known.has(user_id) || type !== 'purchase') continue
    const shopper = shoppers.get(user_id) ?? { firstMs: Date.parse(ts), seen: new Set<string>(), seenAt: [] }
    shoppers.set(user_id, shopper)
    if (shopper.seen.has(product_id)) continue
    shopper.seen.add(product_id)
    shopper.seenAt.push(line)
  }
  return [...shoppers].map(([userId, { firstMs, seenAt }]) => ({ userId, firstMs, seenAt }))
}

/** What was held of users after any line: change events folded. */
class HeldOverTime {
  readonly #changes = new Map<string, { readonly line: number; readonly held: ReadonlySet<string> }[]>()

  constructor(file: string) {
    for (const { user_id, cause, personas } of readNdjson<Change>(file)) {
      const all = this.#changes.get(user_id) ?? []
      this.#changes.set(user_id, all)
      all.push({ line: cause.position - 1, held: new Set(personas.map(({ persona }) => persona)) })
    }
  }

  of(userId: string, line: number): ReadonlySet<string> {
    return (this.#changes.get(userId) ?? []).findLast((change) => change.line <= line)?.held ?? new Set()
  }
}

class Tally {
  users = 0
  #right = 0
  #held = 0
  #positives = 0

  add(held: ReadonlySet<string>, truth: ReadonlySet<string>): void {
    this.users++
    this.#held += held.size
    this.#positives += truth.size
    for (const persona of held) if (truth.has(persona)) this.#right++
  }

  get f1(): number {
    return this.#held + this.#positives === 0 ? 0 : (2 * this.#right) / (this.#held + this.#positives)
  }
}

/** The baseline: the set of commonest personas that is best for the labelled ones, for everybody and from the first moment. */
function commonestOf(labels: readonly TruthLabel[]): ReadonlySet<string> {
  const counts = new Map<string, number>()
  for (const { personas } of labels)
    for (const name of personas) counts.set(name, (counts.get(name) ?? 0) + 1)
  const names = [...counts.keys()]
  const rates = labels.flatMap(() => names.map((name) => counts.get(name)! / labels.length))
  const truth = labels.flatMap(({ personas }) => names.map((name) => (personas.includes(name) ? 1 : 0)))
  const enter = bestThreshold(Float64Array.from(rates), Uint8Array.from(truth))
  return new Set(names.filter((name) => counts.get(name)! / labels.length >= enter))
}

function plotOf(byDays: StreamingTruth['by_days']): string {
  return linePlot(
    byDays.map(({ days }) => String(days)),
    [
      { name: 'Kindred', values: byDays.map(({ micro_f1 }) => micro_f1) },
      { name: 'the commonest personas', values: byDays.map(({ base_rate_f1 }) => base_rate_f1) },
    ],
    { title: 'Shoppers new to the stream', xLabel: 'days since the first purchase', yLabel: 'micro-F1' },
  )
}
