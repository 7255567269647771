// prototypes sample: whom to label next, by Diversity–Uncertainty or at random; and who is held out to measure by.
import { type Command, Option } from 'commander'
import { type LabelLine, parseLabels } from '../codec/prototypes.ts'
import { parseUserList } from '../codec/user-list.ts'
import { UsageError } from '../errors.ts'
import { replaceFile } from '../labelling/append-file.ts'
import { type LabelsSoFar, sampleHeldOut, sampleRound } from '../labelling/candidates.ts'
import { type SamplingMethod, samplingMethods } from '../labelling/sampling.ts'
import type { StoreReader } from '../store/port.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { print, printJson, printLines } from './output.ts'
import { readText } from './read-import.ts'

/** How users are sampled, as flags say it. */
export type SampleFlags = {
  readonly budget?: string
  readonly method: SamplingMethod
  readonly rounds: string
  readonly heldOut: string
  readonly minPurchases: string
  readonly seed: string
}

export type SamplePlan = {
  readonly method: SamplingMethod
  readonly seed: number
  readonly purchasesMin: number
  readonly kappa: number
  readonly rounds: number
  /** Users to label in all: prototypes, and those held out. */
  readonly prototypes: number
  readonly heldOut: number
}

/** One user to label. */
export type Chosen = {
  readonly user_id: string
  readonly purchases: number
  readonly round: number
  readonly held_out?: true
}

export function withSampling(command: Command): Command {
  return command
    .option('--budget <n>', 'users to label in all, the held-out ones among them')
    .addOption(
      new Option('--method <name>', 'Diversity–Uncertainty, at random, or one of each degree')
        .choices(samplingMethods)
        .default('du'),
    )
    .option('--rounds <n>', 'rounds: the labels of earlier ones say who comes next', '4')
    .option('--held-out <x>', 'share that is labelled to measure the truth by, and is no prototype', '0.1')
    .option('--min-purchases <n>', 'products that a user must have bought to be worth a label', '3')
    .option('--seed <n>', 'seed', '1')
}

export function addPrototypesSample(prototypes: Command): void {
  withSampling(withData(prototypes.command('sample')))
    .description(
      'choose users to label: the next round, given the labels of the rounds before (or all at once with --rounds 1)',
    )
    .option('--labelled <file>', 'prototype file of the rounds before')
    .option('--asked <file>', 'NDJSON {user_id} of users who were asked about in vain: not chosen again')
    .option('--out <file>', 'write NDJSON {user_id, purchases, round, held_out?} here; stdout otherwise')
    .action(sampleAction)
}

type SampleOptions = DataOptions & SampleFlags & { labelled?: string; asked?: string; out?: string }

async function sampleAction(options: SampleOptions): Promise<void> {
  const plan = planOf(options)
  const lines =
    options.labelled === undefined ? [] : parseLabels(readText(options.labelled), options.labelled)
  const prototypes = lines.filter(({ held_out }) => held_out !== true)
  const round = roundAfter(plan, prototypes.length)
  const asked = options.asked === undefined ? [] : parseUserList(readText(options.asked), options.asked)
  const { chosen, candidates } = await reading(options, (store) =>
    choose(store, plan, {
      round,
      labels: labelsOf(prototypes),
      taken: new Set([...lines.map(({ user_id }) => user_id), ...asked.map(({ userId }) => userId)]),
      count: roundCount(plan, round, prototypes.length),
    }),
  )
  if (chosen.length === 0)
    throw new UsageError(
      prototypes.length >= plan.prototypes
        ? `${prototypes.length} prototypes are labelled: the budget is spent`
        : `nobody is left to choose: lower --min-purchases (now ${plan.purchasesMin})`,
    )
  if (options.out === undefined) return printLines(chosen)
  replaceFile(options.out, chosen.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const heldOut = chosen.filter(({ held_out }) => held_out === true).length
  const summary = {
    round: round + 1,
    rounds: plan.rounds,
    users: chosen.length,
    held_out: heldOut,
    candidates,
  }
  if (options.json) printJson({ ...summary, out: options.out })
  else
    print(
      `round ${summary.round} of ${plan.rounds}: ${chosen.length} users of ${candidates} (${heldOut} of them held out) to ${options.out}\n`,
    )
}

/** The plan of the flags. Throws UsageError. */
export function planOf(flags: SampleFlags): SamplePlan {
  const budget = whole('--budget', flags.budget, 1)
  const share = Number(flags.heldOut)
  if (!(share >= 0 && share < 1)) throw new UsageError('--held-out is a share from 0 to below 1')
  const heldOut = Math.round(budget * share)
  if (heldOut >= budget) throw new UsageError(`a budget of ${budget} leaves no prototype beside --held-out`)
  const prototypes = budget - heldOut
  return {
    method: flags.method,
    seed: whole('--seed', flags.seed, 0),
    purchasesMin: whole('--min-purchases', flags.minPurchases, 1),
    kappa: configOf().kappa,
    rounds: Math.min(whole('--rounds', flags.rounds, 1), prototypes),
    prototypes,
    heldOut,
  }
}

/** The round that is due after so many labels: the first whose share of the budget is not full. */
function roundAfter(plan: SamplePlan, labelled: number): number {
  let round = 0
  while (round < plan.rounds - 1 && roundCount(plan, round, labelled) === 0) round++
  return round
}

/** Users of a round: what is lacking to its share of the budget. */
export function roundCount({ prototypes, rounds }: SamplePlan, round: number, labelled: number): number {
  return Math.max(0, Math.round((prototypes * (round + 1)) / rounds) - labelled)
}

/** The users of one round; in the first, those held out too, who are chosen before anybody. */
export function choose(
  store: StoreReader,
  plan: SamplePlan,
  {
    round,
    labels,
    taken,
    count,
  }: { round: number; labels: LabelsSoFar; taken: ReadonlySet<string>; count: number },
): { chosen: Chosen[]; candidates: number } {
  const { heldOut, seed, purchasesMin } = plan
  const held = sampleHeldOut(store, { count: heldOut, seed, purchasesMin }).users
  const closed = new Set([...taken, ...held.map(({ userId }) => userId)])
  const { users, candidates } = sampleRound(store, { ...plan, labels, taken: closed, count })
  const due = round > 0 ? [] : held.filter(({ userId }) => !taken.has(userId))
  return {
    candidates: candidates + due.length,
    chosen: [
      ...due.map(({ userId, purchases }) => ({
        user_id: userId,
        purchases,
        round: 1,
        held_out: true as const,
      })),
      ...users.map(({ userId, purchases }) => ({ user_id: userId, purchases, round: round + 1 })),
    ],
  }
}

/** Labels of a prototype file by user. */
export function labelsOf(lines: readonly LabelLine[]): LabelsSoFar {
  return new Map(
    lines.map(({ user_id, personas }) => [
      user_id,
      Array.isArray(personas)
        ? Object.fromEntries(personas.map((name: string) => [name, 1]))
        : (personas as Readonly<Record<string, number>>),
    ]),
  )
}

function whole(flag: string, text: string | undefined, least: number): number {
  const value = Number(text)
  if (text === undefined || text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new UsageError(`${flag} is a whole number from ${least}`)
  return value
}
