// Streaming truth: nine months warm up, some users are labelled as of then, three months stream. How right is what is held of
// users who were new in those months, by days since their first purchase and by products seen? Read from the change events,
// as whoever acts on them would.
import { join } from 'node:path'
import { linePlot } from '../../src/evaluation/plot.ts'
import { type Experiment, kindred, labelledYear, readNdjson, type TruthEvent, write } from './data.ts'

const warmUpShare = 0.75
const budgetShare = 0.1
const daysAfter = [0, 1, 3, 7, 14, 30, 60] as const
const productsSeen = [1, 3, 5, 10, 20, 50] as const
const dayMs = 86_400_000

type Change = {
  readonly user_id: string
  readonly occurred_at: string
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
  const chosen = await chooseLabelled(experiment, {
    data,
    labels,
    budget: Math.round(budgetShare * labels.length),
  })
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
  const judge = (momentOf: (shopper: Shopper) => number | undefined): F1 => {
    const [ours, base] = [new Tally(), new Tally()]
    for (const shopper of shoppers) {
      const moment = momentOf(shopper)
      if (moment === undefined) continue
      ours.add(held.of(shopper.userId, moment), truth.get(shopper.userId)!)
      base.add(commonest, truth.get(shopper.userId)!)
    }
    return { micro_f1: ours.f1, base_rate_f1: base.f1, users: ours.users }
  }
  const byDays = daysAfter
    .map((days) => ({ days, ...judge(({ firstMs }) => momentAfter(firstMs, { days, last })) }))
    .filter(({ users }) => users > 0)
  const byProducts = productsSeen
    .map((products) => ({ products, ...judge(({ seenMs }) => seenMs[products - 1]) }))
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

/** So many days after the first purchase, an hour after for none: its basket is complete then. Undefined past the end. */
function momentAfter(firstMs: number, { days, last }: { days: number; last: number }): number | undefined {
  const moment = firstMs + Math.max(days * dayMs, dayMs / 24)
  return moment > last ? undefined : moment
}

/** Users labelled as of now, sampled in rounds as `prototypes sample` does, by the truth as their labeller. */
async function chooseLabelled(
  experiment: Experiment,
  {
    data,
    labels,
    budget,
  }: { data: string; labels: readonly { user_id: string; personas: readonly string[] }[]; budget: number },
): Promise<{ user_id: string; personas: readonly string[] }[]> {
  const truth = new Map(labels.map((label) => [label.user_id, label]))
  const chosen: { user_id: string; personas: readonly string[] }[] = []
  const asked = write(experiment, 'chosen.ndjson', [])
  const out = join(experiment.dir, 'next.ndjson')
  for (let round = 0; round < 4 && chosen.length < budget; round++) {
    const args = [
      'prototypes',
      'sample',
      '--data',
      data,
      '--budget',
      String(budget),
      '--held-out',
      '0',
      '--out',
      out,
    ]
    await kindred([...args, '--labelled', asked])
    for (const { user_id } of readNdjson<{ user_id: string }>(out)) {
      const label = truth.get(user_id)
      if (label !== undefined) chosen.push(label)
    }
    write(experiment, 'chosen.ndjson', chosen)
  }
  return chosen
}

type Shopper = { readonly userId: string; readonly firstMs: number; readonly seenMs: readonly number[] }

/** Users whose first event is at `from` or later, with the times at which each further product was bought first. */
function newShoppers(events: readonly TruthEvent[], from: number): Shopper[] {
  const known = new Set(events.slice(0, from).map(({ user_id }) => user_id))
  const shoppers = new Map<string, { firstMs: number; seen: Set<string>; seenMs: number[] }>()
  for (const { user_id, product_id, type, ts } of events.slice(from)) {
    if (known.has(user_id) || type !== 'purchase') continue
    const ms = Date.parse(ts)
    const shopper = shoppers.get(user_id) ?? { firstMs: ms, seen: new Set<string>(), seenMs: [] }
    shoppers.set(user_id, shopper)
    if (shopper.seen.has(product_id)) continue
    shopper.seen.add(product_id)
    shopper.seenMs.push(ms)
  }
  return [...shoppers].map(([userId, { firstMs, seenMs }]) => ({ userId, firstMs, seenMs }))
}

/** What was held of users at any time: change events folded. */
class HeldOverTime {
  readonly #changes = new Map<string, { readonly ms: number; readonly held: ReadonlySet<string> }[]>()

  constructor(file: string) {
    for (const { user_id, occurred_at, personas } of readNdjson<Change>(file)) {
      const all = this.#changes.get(user_id) ?? []
      this.#changes.set(user_id, all)
      all.push({ ms: Date.parse(occurred_at), held: new Set(personas.map(({ persona }) => persona)) })
    }
  }

  of(userId: string, ms: number): ReadonlySet<string> {
    return (this.#changes.get(userId) ?? []).findLast((change) => change.ms <= ms)?.held ?? new Set()
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

/** The baseline: the personas that at least 36 % of the labelled carry, for everybody and from the first moment. */
function commonestOf(labels: readonly { readonly personas: readonly string[] }[]): ReadonlySet<string> {
  const counts = new Map<string, number>()
  for (const { personas } of labels)
    for (const name of personas) counts.set(name, (counts.get(name) ?? 0) + 1)
  return new Set([...counts].filter(([, count]) => count >= 0.36 * labels.length).map(([name]) => name))
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
