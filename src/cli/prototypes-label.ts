// prototypes label: shoppers of the store → a prototype file, by a language model, sentence embeddings, or keywords.
import { type Command, Option } from 'commander'
import { parsePersonaSet } from '../codec/prototypes.ts'
import { parseUserList } from '../codec/user-list.ts'
import { UsageError } from '../errors.ts'
import { replaceFile } from '../labelling/append-file.ts'
import { type LabelledRun, labelShoppers } from '../labelling/label-shoppers.ts'
import type { Estimate, Shopper } from '../labelling/port.ts'
import { shopperOf, shoppersOf } from '../labelling/shoppers.ts'
import type { StoreReader } from '../store/port.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import {
  type ApiFlags,
  apiOverrides,
  type LabellerKind,
  labellerKinds,
  type OpenLabeller,
  openLabeller,
} from './labellers.ts'
import { grouped, Progress, print, printJson, table } from './output.ts'
import { choose, planOf, roundCount, type SampleFlags, withSampling } from './prototypes-sample.ts'
import { readText } from './read-import.ts'

type LabelOptions = DataOptions &
  ApiFlags &
  SampleFlags & {
    personas: string
    labeller: LabellerKind
    users?: string
    allAbove?: string
    out?: string
    dryRun: boolean
    maxCost?: string
    batch: boolean
    retryFailed: boolean
  }

const failuresShown = 20

export function addPrototypesLabel(prototypes: Command): void {
  const command = withData(prototypes.command('label'))
    .description(
      'label shoppers with personas, into a file for `prototypes import`; what was answered is kept, so an interrupted run goes on',
    )
    .requiredOption(
      '--personas <file>',
      'JSON persona set {version, personas: [{name, description, keywords?}]}',
    )
    .addOption(
      new Option('--labeller <name>', 'who labels: a language model, or offline')
        .choices(labellerKinds)
        .makeOptionMandatory(),
    )
    .option('--users <file>', 'NDJSON {user_id, held_out?}: whom to label')
    .option('--all-above <n>', 'label everybody who bought at least this many products')
    .option(
      '--out <file>',
      'prototype file to write, NDJSON {user_id, personas, labeller, rationale, held_out?}',
    )
  withSampling(command)
  withApi(command)
    .option('--token-budget <n>', 'tokens of one purchase history')
    .option(
      '--batch',
      "through the provider's batch API: cheaper, within a day; picked up when interrupted",
      false,
    )
    .action(labelAction)
}

/** Options of commands that ask a language model. */
export function withApi(command: Command): Command {
  return command
    .option('--model <name>', 'model')
    .option('--base-url <url>', 'base URL of an OpenAI-compatible API')
    .option('--concurrency <n>', 'calls at a time')
    .option('--price-in <usd>', 'USD per million tokens read')
    .option('--price-out <usd>', 'USD per million tokens written')
    .option('--max-cost <usd>', 'stop this run before a call that could pass it')
    .option('--dry-run', 'say what it would take, and call nobody', false)
    .option('--retry-failed', 'ask (and pay) again where an answer could not be used', false)
}

async function labelAction(options: LabelOptions): Promise<void> {
  const personas = parsePersonaSet(readText(options.personas), options.personas)
  const out = outOf(options)
  if ([options.budget, options.users, options.allAbove].filter((flag) => flag !== undefined).length > 1)
    throw new UsageError('say whom to label by one of --budget, --users and --all-above')
  const progress = new Progress()
  await using opened = await openLabeller(options.labeller, {
    personas,
    dir: options.data,
    config: configOf(apiOverrides(options)),
    role: 'prototypes label',
    maxCost: usdOf(options.maxCost),
    retryFailed: options.retryFailed,
    batch: options.batch,
    dryRun: options.dryRun,
    onState: (state) => progress.show(() => state, true),
  })
  if (options.dryRun) {
    const { shoppers } = await firstToLabel(options)
    return tellEstimate(opened, { estimate: opened.labeller.estimate(shoppers), json: options.json })
  }
  let done = 0
  const label = (shoppers: readonly Shopper[]) =>
    labelShoppers(shoppers, {
      labeller: opened.labeller,
      onResult: () => progress.show(() => `${grouped(++done)} shoppers`),
    })
  const { run, heldOut } = await labelAll(options, label).finally(() => progress.end())
  replaceFile(out, run.labelled.map((labelling) => prototypeLine(labelling, heldOut)).join(''))
  tellRun(opened, { run, out, json: options.json })
  if (run.failed.length > 0 || run.notSent.length > 0) process.exitCode = 1
}

type Label = (shoppers: readonly Shopper[]) => Promise<LabelledRun>
type ToLabel = { shoppers: Shopper[]; heldOut: ReadonlySet<string> }

/** Labels whoever is named; or, by a budget, users sampled in rounds, each by the labels of those before. */
async function labelAll(
  options: LabelOptions,
  label: Label,
): Promise<{ run: LabelledRun; heldOut: ReadonlySet<string> }> {
  if (options.budget === undefined) {
    const { shoppers, heldOut } = await firstToLabel(options)
    return { run: await label(shoppers), heldOut }
  }
  const plan = planOf(options)
  const heldOut = new Set<string>()
  const taken = new Set<string>()
  const labels = new Map<string, Readonly<Record<string, number>>>()
  let run: LabelledRun = { labelled: [], unrepresentable: [], failed: [], notSent: [] }
  for (let round = 0; round < plan.rounds && run.notSent.length === 0; round++) {
    const shoppers = await reading(options, (store) => {
      const count = roundCount(plan, round, taken.size - heldOut.size)
      const { chosen } = choose(store, plan, { round, labels, taken, count })
      for (const { user_id, held_out } of chosen) {
        taken.add(user_id)
        if (held_out === true) heldOut.add(user_id)
      }
      return chosen.map(({ user_id }) => shopperOf(store, store.userIndexOf(user_id)!))
    })
    const next = await label(shoppers)
    for (const { userId, personas } of next.labelled)
      if (!heldOut.has(userId) && personas !== 'unrepresentable') labels.set(userId, personas)
    run = joined(run, next)
  }
  return { run, heldOut }
}

function joined(a: LabelledRun, b: LabelledRun): LabelledRun {
  return {
    labelled: [...a.labelled, ...b.labelled],
    unrepresentable: [...a.unrepresentable, ...b.unrepresentable],
    failed: [...a.failed, ...b.failed],
    notSent: [...a.notSent, ...b.notSent],
  }
}

/** Whoever is named; by a budget, as many as it is for, at random: an estimate cannot know whom labels will point to. */
function firstToLabel(options: LabelOptions): Promise<ToLabel> {
  return reading(options, (store) => {
    if (options.budget === undefined) return named(store, options)
    const plan = planOf({ ...options, method: 'random', rounds: '1' })
    const { chosen } = choose(store, plan, {
      round: 0,
      labels: new Map(),
      taken: new Set(),
      count: plan.prototypes,
    })
    return {
      shoppers: chosen.map(({ user_id }) => shopperOf(store, store.userIndexOf(user_id)!)),
      heldOut: new Set<string>(),
    }
  })
}

/** Whom flags name. Throws UsageError. */
function named(store: StoreReader, { users, allAbove }: LabelOptions): ToLabel {
  if (users === undefined && allAbove === undefined)
    throw new UsageError('say whom to label: --budget N, --users FILE or --all-above N')
  if (users === undefined) {
    if (!/^\d{1,9}$/.test(allAbove!)) throw new UsageError('--all-above takes a whole number of products')
    return { shoppers: [...shoppersOf(store, Number(allAbove))], heldOut: new Set() }
  }
  const listed = parseUserList(readText(users), users)
  const shoppers = listed.map(({ userId }) => {
    const user = store.userIndexOf(userId)
    if (user === undefined)
      throw new UsageError(`${users}: user ${JSON.stringify(userId)} was never seen here (or is erased)`)
    return shopperOf(store, user)
  })
  return { shoppers, heldOut: new Set(listed.filter((user) => user.heldOut).map(({ userId }) => userId)) }
}

function outOf({ out, dryRun }: LabelOptions): string {
  if (out === undefined && !dryRun) throw new UsageError('name the prototype file to write: --out FILE')
  return out ?? ''
}

/** USD of a flag. Throws UsageError. */
export function usdOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const usd = Number(text)
  if (text.trim() === '' || !(usd >= 0)) throw new UsageError('--max-cost takes an amount in USD')
  return usd
}

function prototypeLine(
  { userId, personas, labeller, rationale }: LabelledRun['labelled'][number],
  heldOut: ReadonlySet<string>,
): string {
  const line = {
    user_id: userId,
    personas,
    labeller,
    rationale,
    ...(heldOut.has(userId) && { held_out: true }),
  }
  return `${JSON.stringify(line)}\n`
}

export function tellEstimate(
  { prices }: Pick<OpenLabeller, 'prices'>,
  { estimate, json }: { estimate: Estimate; json: boolean },
): void {
  const { shoppers, cached, calls, tokensIn, tokensOut, costUsd, costUsdMax } = estimate
  const line = {
    shoppers,
    cached,
    calls,
    tokens_in: tokensIn,
    tokens_out: tokensOut,
    cost_usd: costUsd ?? null,
    cost_usd_max: costUsdMax ?? null,
    prices: prices ?? null,
  }
  if (json) return printJson({ dry_run: true, ...line })
  const money = (usd: number | null) =>
    usd === null ? 'unknown: name --price-in and --price-out' : `$${usd.toFixed(4)}`
  const rows = [
    ['shoppers', grouped(shoppers)],
    ['answered already', grouped(cached)],
    ['calls to make', grouped(calls)],
    ['tokens to read, about', grouped(tokensIn)],
    ['tokens to write, about', grouped(tokensOut)],
    ['cost, about', money(line.cost_usd)],
    ...(line.cost_usd_max === null ? [] : [['cost at the most', money(line.cost_usd_max)]]),
    ...(prices?.source === 'default' && calls > 0
      ? [['prices', `$${prices.in} and $${prices.out} per million tokens: our default, check it`]]
      : []),
  ]
  print(`${table(rows)}\nnobody was called\n`)
}

function tellRun(
  { labeller, spent, prices }: OpenLabeller,
  { run, out, json }: { run: LabelledRun; out: string; json: boolean },
): void {
  const { labelled, unrepresentable, failed, notSent } = run
  const summary = {
    labeller: labeller.name,
    labelled: labelled.length,
    unrepresentable: unrepresentable.length,
    failed: failed.length,
    not_sent: notSent.length,
    ...spentFields(spent()),
    out,
  }
  if (json)
    return printJson({
      ...summary,
      prices: prices ?? null,
      unrepresentable_users: unrepresentable.map(({ userId }) => userId),
      failures: failed.map(({ userId, reason, detail, paid }) => ({ user_id: userId, reason, detail, paid })),
    })
  print(`${table(Object.entries(summary).map(([name, value]) => [name, String(value)]))}\n`)
  for (const { userId, reason, detail } of failed.slice(0, failuresShown))
    print(`not labelled: ${userId}: ${reason}: ${detail}\n`)
  if (failed.length > failuresShown) print(`… and ${failed.length - failuresShown} more (--json lists all)\n`)
  if (failed.some(({ paid }) => paid))
    print('answers that could not be used are asked for again with --retry-failed\n')
  if (notSent.length > 0)
    print(`stopped before --max-cost: ${notSent.length} shoppers were not asked about; run again to go on\n`)
}

/** What was paid, for a summary. */
export function spentFields(spent: ReturnType<OpenLabeller['spent']>): object {
  if (spent === undefined) return {}
  const { calls, cached, tokensIn, tokensOut, costUsd, interrupted } = spent
  return {
    calls,
    cached,
    tokens_in: tokensIn,
    tokens_out: tokensOut,
    cost_usd: costUsd === undefined ? null : Number(costUsd.toFixed(6)),
    interrupted_before: interrupted,
  }
}
