// The truth experiments run tiny, on the demo's shop, so that they do not rot.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { withDirectory } from '../support/command.ts'

const script = join(import.meta.dirname, '..', '..', 'scripts', 'truth', 'main.js')

async function truth<T>(...args: string[]): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args, '--tiny', '--json'])
  return JSON.parse(stdout) as T
}

describe('truth experiments', () => {
  it('sampling compares every method at every budget', async () => {
    const rows =
      await truth<{ budget: number; methods: Record<string, { mean: { micro_f1: number } }> }[]>('sampling')
    assert.deepEqual(
      rows.map(({ budget }) => budget),
      [0.02, 0.05, 0.1, 0.2],
    )
    for (const { methods } of rows) {
      assert.deepEqual(Object.keys(methods), ['random', 'degree', 'du'])
      for (const { mean } of Object.values(methods)) assert.ok(mean.micro_f1 > 0 && mean.micro_f1 <= 1)
    }
  })

  it('streaming is better informed than base rates about shoppers who are new', () =>
    withDirectory(async (dir) => {
      const plot = join(dir, 'plot.svg')
      type Row = { micro_f1: number; base_rate_f1: number; users: number }
      const { by_days, by_products } = await truth<{ by_days: Row[]; by_products: Row[] }>(
        'streaming',
        '--plot',
        plot,
      )
      for (const row of [by_days.at(-1)!, by_products[0]!])
        assert.ok(row.users > 5 && row.micro_f1 > row.base_rate_f1)
      assert.match(readFileSync(plot, 'utf8'), /^<svg /)
    }))

  it('households evaluates by the command', async () => {
    const { kindred, baselines } = await truth<{
      kindred: { micro_f1: number }
      baselines: { prior: { micro_f1: number } }
    }>('households')
    assert.ok(kindred.micro_f1 > baselines.prior.micro_f1)
  })

  it('says how it is used', async () => {
    const failed = await promisify(execFile)(process.execPath, [script, 'nothing']).catch(
      (error: unknown) => error,
    )
    assert.equal((failed as { code: number }).code, 2)
    assert.match((failed as { stderr: string }).stderr, /sampling\|streaming\|households/)
  })
})
