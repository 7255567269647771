// Evaluation: labels in, truth out. A seeded share of the labelled users become prototypes, the others are the truth; the
// same split for Kindred and the baselines; several seeds, mean and spread.

import type { Evidence, FitPolicy } from '../core/fit.ts'
import { earlier, type LabelledGraph, type LabelledUser } from '../core/labelled.ts'
import { shuffled } from '../core/shuffle.ts'
import { type BaselineName, baselineNames, baselines } from './baselines.ts'
import {
  type Bin,
  meanAndSpread,
  type PersonaQuality,
  type Predictions,
  perPersona,
  type Quality,
  qualityOf,
  reliabilityOf,
} from './metrics.ts'
import { type Fitted, fitModels } from './model.ts'

/** Purchases (distinct products) that a user is judged by, in the order of the first purchase of each. */
export const purchaseMarks = [1, 3, 5, 10, 20, 50] as const

type Spread = Quality & { spread: Quality }

export type Evaluation = {
  labelled: number
  prototypes: number
  personas: number
  seeds: number[]
  /** What Kindred answers by: in how many seeds the words were read beside the walk. */
  content_seeds: number
  kindred: Spread
  walk: Spread
  content: Spread | null
  both: Spread | null
  baselines: Record<BaselineName, Spread>
  /** Kindred's micro-F1 and AUC less a baseline's, by seed: in how many it is ahead. */
  ahead: Record<
    BaselineName,
    { micro_f1: number; macro_auc: number; seeds_ahead_f1: number; seeds_ahead_auc: number }
  >
  /** Had they bought no more than so many products; marks that nobody reaches are left out. */
  by_purchases: (Quality & { purchases: number })[]
  /** Of the first seed. */
  per_persona: PersonaQuality[]
  reliability: Bin[]
}

export type EvaluationOptions = {
  /** Share of the labelled users that become prototypes. */
  readonly share: number
  readonly seeds: readonly number[]
  readonly policy: FitPolicy
}

/** Runs the protocol. Throws nothing that is not a fault; needs at least two labelled users on either side. */
export function evaluate(graph: LabelledGraph, { share, seeds, policy }: EvaluationOptions): Evaluation {
  const rounds = seeds.map((seed) => {
    const { prototypes, truth } = splitBySeed(graph.users, { seed, share })
    return roundOf(graph, { prototypes, truth, policy })
  })
  const spreadOf = (of: (round: Round) => Quality): Spread => {
    const { mean, spread } = meanAndSpread(rounds.map(of))
    return { ...mean, spread }
  }
  const optional = (of: (round: Round) => Quality | undefined): Spread | null =>
    rounds.every((round) => of(round) !== undefined) ? spreadOf((round) => of(round)!) : null
  const first = rounds[0]!
  return {
    labelled: graph.users.length,
    prototypes: first.prototypes,
    personas: graph.personas.length,
    seeds: [...seeds],
    content_seeds: rounds.filter(({ chosen }) => chosen === 'both').length,
    kindred: spreadOf(({ kindred }) => kindred),
    walk: spreadOf(({ walk }) => walk),
    content: optional(({ content }) => content),
    both: optional(({ both }) => both),
    baselines: byName((name) => spreadOf(({ baselines }) => baselines[name])),
    ahead: byName((name) => aheadOf(rounds, name)),
    by_purchases: purchaseMarks.flatMap((purchases, i) => {
      const at = rounds.flatMap(({ byPurchases }) => byPurchases[i] ?? [])
      return at.length < rounds.length ? [] : [{ purchases, ...meanAndSpread(at).mean }]
    }),
    per_persona: first.perPersona,
    reliability: first.reliability,
  }
}

type Round = {
  prototypes: number
  chosen: Evidence
  kindred: Quality
  walk: Quality
  content: Quality | undefined
  both: Quality | undefined
  baselines: Record<BaselineName, Quality>
  /** By mark; undefined where no user has bought so much. */
  byPurchases: (Quality | undefined)[]
  perPersona: PersonaQuality[]
  reliability: Bin[]
}

/** One split: what every method says of the same users. */
function roundOf(
  graph: LabelledGraph,
  {
    prototypes,
    truth,
    policy,
  }: { prototypes: readonly LabelledUser[]; truth: readonly LabelledUser[]; policy: FitPolicy },
): Round {
  const personas = graph.personas.length
  const fitted = fitModels(graph, prototypes, policy)
  const labels = truthOf(truth)
  const judge = (predictions: Predictions) => qualityOf(predictions, labels, personas)
  const answers = fitted.chosen.predict(truth)
  return {
    prototypes: prototypes.length,
    chosen: fitted.chosen.evidence,
    kindred: judge(answers),
    walk: judge(fitted.walk.predict(truth)),
    content: fitted.content && judge(fitted.content.predict(truth)),
    both: fitted.both && judge(fitted.both.predict(truth)),
    baselines: byName((name) => judge(baselines[name]({ graph, prototypes, users: truth }))),
    byPurchases: purchaseMarks.map((purchases) => atPurchases(fitted, truth, { purchases, personas })),
    perPersona: perPersona(answers, labels, graph.personas),
    reliability: reliabilityOf(answers.probabilities, labels),
  }
}

/** Quality for the users with at least so many products, had they bought no more than those. */
function atPurchases(
  { chosen }: Fitted,
  truth: readonly LabelledUser[],
  { purchases, personas }: { purchases: number; personas: number },
): Quality | undefined {
  const users = truth.filter(({ products }) => products.length >= purchases)
  if (users.length === 0) return undefined
  return qualityOf(chosen.predict(users.map((user) => earlier(user, purchases))), truthOf(users), personas)
}

function aheadOf(rounds: readonly Round[], name: BaselineName) {
  const f1 = rounds.map(({ kindred, baselines }) => kindred.micro_f1 - baselines[name].micro_f1)
  const auc = rounds.map(({ kindred, baselines }) => kindred.macro_auc - baselines[name].macro_auc)
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    micro_f1: mean(f1),
    macro_auc: mean(auc),
    seeds_ahead_f1: f1.filter((value) => value > 0).length,
    seeds_ahead_auc: auc.filter((value) => value > 0).length,
  }
}

export function truthOf(users: readonly LabelledUser[]): Uint8Array {
  return Uint8Array.from(users.flatMap(({ labels }) => [...labels]))
}

function byName<T>(of: (name: BaselineName) => T): Record<BaselineName, T> {
  return Object.fromEntries(baselineNames.map((name) => [name, of(name)])) as Record<BaselineName, T>
}

/** A seeded shuffle cut in two; at least one user on either side. */
export function splitBySeed(
  users: readonly LabelledUser[],
  { seed, share }: { seed: number; share: number },
): { prototypes: LabelledUser[]; truth: LabelledUser[] } {
  const order = shuffled(users, seed)
  const count = Math.min(users.length - 1, Math.max(1, Math.round(users.length * share)))
  return { prototypes: order.slice(0, count), truth: order.slice(count) }
}
