// verify: the state recomputed from the edges as a batch job would; exit 1 when anything deviates.
import type { Command } from 'commander'
import { verify } from '../lookup/verify.ts'
import { enginePolicyOf } from '../profiler.ts'
import { type DataOptions, reading, withData } from './context.ts'
import { print, printJson, table } from './output.ts'

export function addVerify(program: Command): void {
  withData(program.command('verify'))
    .description('recompute everything from the edges and report deviations')
    .action(async (options: DataOptions) => {
      const { result, delta } = await reading(options, (_store, snapshot, config) => ({
        result: verify(snapshot, enginePolicyOf(config)),
        delta: config.delta,
      }))
      const sound =
        result.score_mismatches + result.vector_mismatches + result.list_mismatches === 0 &&
        result.max_published_drift <= delta
      const { first_problems: problems, ...counts } = result
      if (options.json) printJson(result)
      else
        print(
          `${table(Object.entries(counts).map(([name, value]) => [name, String(value)]))}\n${sound ? 'sound' : 'NOT SOUND'}\n${problems.map((line) => `  ${line}\n`).join('')}`,
        )
      if (!sound) process.exitCode = 1
    })
}
