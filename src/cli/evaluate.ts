// evaluate: how right the answers are, against labels; several seeds, baselines beside it.
import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { PrototypeImport } from '../core/event.ts'
import { shareOne } from '../core/limits.ts'
import { UsageError } from '../errors.ts'
import { baselineNames } from '../evaluation/baselines.ts'
import { type Evaluation, evaluate } from '../evaluation/evaluate.ts'
import { liveQuality } from '../evaluation/live.ts'
import type { Quality } from '../evaluation/metrics.ts'
import { reliabilityPlot } from '../evaluation/plot.ts'
import { heldOutQuality } from '../evaluation/truth-meter.ts'
import { type Labels, readLabelled } from '../pipeline/labelled.ts'
import type { StoreReader } from '../store/port.ts'
import { type DataOptions, reading, withData } from './context.ts'
import { percent, print, printJson, table } from './output.ts'
import { readImport } from './read-import.ts'

type EvaluateOptions = DataOptions & {
  labels?: string
  personas?: string
  share: string
  seeds: string
  plot?: string
  live: boolean
}

export function addEvaluate(program: Command): void {
  withData(program.command('evaluate'))
    .description(
      'measure quality against labels: a share of the labelled users as prototypes, the others as truth, with baselines beside it',
    )
    .option('--labels <file>', 'NDJSON {user_id, personas} of users whose purchases are in the data')
    .option('--personas <file>', 'JSON persona set; without one, the names in the labels')
    .option('--share <x>', 'share of the labelled users that become prototypes', '0.1')
    .option('--seeds <n>', 'number of random splits', '4')
    .option('--plot <file>', 'write a reliability plot (SVG)')
    .option(
      '--live',
      'judge the answers as they stand: by the labels of users who are no prototypes, or (without --labels) by those held out',
      false,
    )
    .action(evaluateAction)
}

async function evaluateAction(options: EvaluateOptions): Promise<void> {
  if (options.live) return evaluateLive(options)
  const share = Number(options.share)
  if (!(share > 0 && share < 1)) throw new UsageError('--share is a number between 0 and 1')
  const seeds = Number(options.seeds)
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > 1000)
    throw new UsageError('--seeds is a number from 1 to 1000')
  if (options.labels === undefined) throw new UsageError('name the labels: --labels FILE')
  const set = readImport(options.labels, options.personas)
  const evaluation = await reading(options, (store, { check, kappa }, config) => {
    const graph = readLabelled(store, {
      labels: labelsOfSet(set, store),
      personas: set.personas.map(({ name }) => name),
      repeat: config.weightsRepeat,
      check,
    })
    if (graph.users.length < 2)
      throw new UsageError(
        `${graph.users.length} of the ${set.prototypes.length} labelled users have bought something in ${options.data}: at least two are needed`,
      )
    return evaluate(graph, {
      share,
      seeds: Array.from({ length: seeds }, (_, i) => i + 1),
      policy: { kappa, landingMassMin: config.landingMassMin },
    })
  })
  if (options.plot !== undefined)
    writeFileSync(
      options.plot,
      reliabilityPlot(evaluation.reliability, { title: 'Reliability', ece: evaluation.kindred.ece }),
    )
  if (options.json) printJson(evaluation)
  else print(describeEvaluation(evaluation, options.plot))
}

async function evaluateLive(options: EvaluateOptions): Promise<void> {
  const set = options.labels === undefined ? undefined : readImport(options.labels, options.personas)
  const quality = await reading(options, (store) =>
    set === undefined
      ? heldOutQuality(store)
      : liveQuality(store, {
          labels: labelsOfSet(set, store),
          personas: set.personas.map(({ name }) => name),
        }),
  )
  if (quality === undefined)
    throw new UsageError(`no labelled user has bought something in ${options.data} and is no prototype`)
  if (options.json) printJson(quality)
  else print(`${table(Object.entries(quality).map(([name, value]) => [name, String(value)]))}\n`)
}

/** Labels of an import, as shares of one, of the users that are known. */
export function* labelsOfSet({ prototypes }: PrototypeImport, store: StoreReader): Generator<Labels> {
  for (const { userId, shares } of prototypes) {
    const userIndex = store.userIndexOf(userId)
    if (userIndex === undefined) continue
    yield {
      userIndex,
      userId,
      shares: shares.map(({ persona, share }) => ({ persona, share: share / shareOne })),
    }
  }
}

export function describeEvaluation(evaluation: Evaluation, plot: string | undefined): string {
  const { kindred, walk, content, both, baselines, ahead, seeds } = evaluation
  const row = (name: string, { spread, ...quality }: Quality & { spread: Quality }) => [
    name,
    cell(quality.micro_f1, spread.micro_f1),
    cell(quality.macro_f1, spread.macro_f1),
    cell(quality.macro_auc, spread.macro_auc),
    cell(quality.ece, spread.ece),
    cell(quality.brier, spread.brier),
    percent(quality.coverage),
  ]
  const variants = [
    ['walk alone', walk],
    ['words alone', content],
    ['walk and words', both],
  ] as const
  return [
    `${evaluation.labelled} labelled users with purchases, ${evaluation.personas} personas; ` +
      `${evaluation.prototypes} as prototypes, the others as truth; ${seeds.length} seeds. Kindred read the words in ${evaluation.content_seeds} of them.`,
    '',
    table([
      ['', 'micro-F1', 'macro-F1', 'macro AUC', 'ECE', 'Brier', 'coverage'],
      row('Kindred', kindred),
      ...variants.flatMap(([name, quality]) => (quality === null ? [] : [row(`  ${name}`, quality)])),
      ...baselineNames.map((name) => row(name, baselines[name])),
    ]),
    '',
    table([
      ['Kindred ahead of', 'micro-F1', 'in seeds', 'AUC', 'in seeds'],
      ...baselineNames.map((name) => [
        name,
        signed(ahead[name].micro_f1),
        `${ahead[name].seeds_ahead_f1}/${seeds.length}`,
        signed(ahead[name].macro_auc),
        `${ahead[name].seeds_ahead_auc}/${seeds.length}`,
      ]),
    ]),
    '',
    table([
      ['products seen', 'micro-F1', 'macro AUC', 'ECE', 'coverage', 'users'],
      ...evaluation.by_purchases.map(({ purchases, micro_f1, macro_auc, ece, coverage, users }) => [
        String(purchases),
        micro_f1.toFixed(3),
        macro_auc.toFixed(3),
        ece.toFixed(3),
        percent(coverage),
        users.toFixed(0),
      ]),
    ]),
    '',
    table([
      ['persona (first seed)', 'base rate', 'held', 'F1', 'AUC'],
      ...evaluation.per_persona.map(({ persona, base_rate, held, f1, auc }) => [
        persona,
        percent(base_rate),
        percent(held),
        f1.toFixed(3),
        auc === null ? '–' : auc.toFixed(3),
      ]),
    ]),
    ...(plot === undefined ? [] : ['', `reliability plot: ${plot}`]),
    '',
  ].join('\n')
}

function cell(mean: number, spread: number): string {
  return `${mean.toFixed(4)} ±${spread.toFixed(4)}`
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`
}
