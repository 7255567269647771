// npm run truth -- sampling|streaming|households [--json] [--tiny] [--plot FILE]: experiments on how right the answers are, on
// the real data (KINDRED_DATA, or ../shared/data); --tiny on a small synthetic shop. Minutes, so no tests; tests run them tiny.
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeEvaluation } from '../../src/cli/evaluate.ts'
import { table } from '../../src/cli/output.ts'
import type { Experiment } from './data.ts'
import { householdTruth } from './households.ts'
import { samplingTruth } from './sampling.ts'
import { streamingTruth } from './streaming.ts'

type Told = { readonly result: object; readonly text: string; readonly plot?: string }

const experiments: Readonly<Record<string, (experiment: Experiment) => Promise<Told>>> = {
  async sampling(experiment) {
    const result = await samplingTruth(experiment)
    const rows = result.flatMap(({ budget, prototypes, methods }) =>
      Object.entries(methods).map(([method, { mean, spread }]) => [
        `${budget * 100} %`,
        String(prototypes),
        method,
        `${mean.micro_f1.toFixed(4)} ±${spread.micro_f1.toFixed(4)}`,
        `${mean.macro_f1.toFixed(4)} ±${spread.macro_f1.toFixed(4)}`,
        `${mean.macro_auc.toFixed(4)} ±${spread.macro_auc.toFixed(4)}`,
        mean.ece.toFixed(4),
      ]),
    )
    const head = ['budget', 'prototypes', 'method', 'micro-F1', 'macro-F1', 'macro AUC', 'ECE']
    return { result, text: table([head, ...rows]) }
  },
  async streaming(experiment) {
    const { plot, ...result } = await streamingTruth(experiment)
    const rows = (
      list: readonly { micro_f1: number; base_rate_f1: number; users: number }[],
      marks: readonly number[],
    ) =>
      list.map(({ micro_f1, base_rate_f1, users }, i) => [
        String(marks[i]),
        micro_f1.toFixed(3),
        base_rate_f1.toFixed(3),
        String(users),
      ])
    const { by_days: days, by_products: products } = result
    const text = [
      `${result.shop}: warmed up to ${result.warmed_up_to}, ${result.prototypes} prototypes; shoppers who came after`,
      table([
        ['days since the first purchase', 'micro-F1', 'the commonest personas', 'shoppers'],
        ...rows(
          days,
          days.map((row) => row.days),
        ),
      ]),
      table([
        ['products seen', 'micro-F1', 'the commonest personas', 'shoppers'],
        ...rows(
          products,
          products.map((row) => row.products),
        ),
      ]),
    ]
    return { result, text: text.join('\n\n'), plot }
  },
  async households(experiment) {
    const result = await householdTruth(experiment)
    return { result, text: describeEvaluation(result, undefined) }
  },
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, tiny: { type: 'boolean' }, plot: { type: 'string' } },
  })
  const run = experiments[positionals[0] ?? '']
  if (run === undefined) {
    console.error(
      `usage: npm run truth -- ${Object.keys(experiments).join('|')} [--json] [--tiny] [--plot FILE]`,
    )
    return 2
  }
  const dir = await mkdtemp(join(tmpdir(), 'kindred-truth-'))
  try {
    const report = (line: string) => console.error(line)
    const { result, text, plot } = await run({ dir, tiny: values.tiny === true, report })
    console.log(values.json === true ? JSON.stringify(result) : text)
    if (values.plot !== undefined && plot !== undefined) writeFileSync(values.plot, plot)
    return 0
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

process.exitCode = await main()
