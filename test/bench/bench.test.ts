// The benchmarks run tiny, so that they do not rot: they end, say what they must, and say the same twice.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { ingestBench } from '../../scripts/bench/ingest.ts'
import { kafkaBench } from '../../scripts/bench/kafka.ts'
import { lookupBench } from '../../scripts/bench/lookup.ts'
import { walkBench } from '../../scripts/bench/walk.ts'
import { webhookBench } from '../../scripts/bench/webhook.ts'
import { skipKafka } from '../support/kafka.ts'

const run = promisify(execFile)
const script = join(import.meta.dirname, '..', '..', 'scripts', 'bench', 'main.js')
const silent = { tiny: true, report: () => undefined }

describe('benchmarks', () => {
  it('ingest measures the pipeline, its floor and its memory, and gives the same result each time', async () => {
    const first = await ingestBench(silent)
    for (const field of [
      'events',
      'events_per_second',
      'floor_events_per_second',
      'ratio_to_floor',
      'changes',
    ])
      assert.ok((first[field] as number) > 0, field)
    assert.ok((first.rewalks_per_event as number) > 0.5)
    assert.ok((first.peak_memory_mb as number) > 10)
    assert.equal((await ingestBench(silent)).result_hash, first.result_hash)
  })

  it('walk measures by degree, and gives the same result each time', async () => {
    const first = await walkBench(silent)
    const byDegree = first.by_degree as readonly Record<string, number>[]
    assert.deepEqual(
      byDegree.map(({ degree }) => degree),
      [10, 100, 1000],
    )
    for (const row of byDegree) for (const value of Object.values(row)) assert.ok(value > 0)
    assert.equal((await walkBench(silent)).result_hash, first.result_hash)
  })

  it('kafka measures throughput over both baselines, and the time to a readable change', {
    skip: skipKafka,
  }, async () => {
    const result = await kafkaBench(silent)
    for (const field of [
      'events_per_second',
      'ratio_to_reading_alone',
      'ratio_to_embedded',
      'changes',
      'changes_measured',
      'change_p99_ms',
    ])
      assert.ok((result[field] as number) > 0, field)
    assert.match(result.result_hash as string, /^[0-9a-f]+$/)
  })

  it('webhook measures the time from an event to its signed webhook, of every change', async () => {
    const result = await webhookBench(silent)
    assert.equal(result.changes_received, result.changes)
    assert.ok((result.p50_ms as number) > 0 && (result.p95_ms as number) >= (result.p50_ms as number))
  })

  it('lookup measures Kindred beside a bare route, alone and beside ingest, at two sizes of shop', async () => {
    const { users10x, ...result } = await lookupBench(silent)
    const tenfold = users10x as Record<string, unknown>
    for (const figures of [result, tenfold] as Record<string, unknown>[]) {
      for (const field of [
        'requests_per_second',
        'ratio_to_bare_fastify',
        'p99_ms',
        'p99_ratio_to_bare',
        'bare_p99_ratio_to_bare',
        'steady_rounds',
        'p99_ratio_to_bare_of_all_rounds',
        'p99_while_ingesting_ms',
        'p99_while_ingesting_ratio_to_bare',
        'batch100_p99_ms',
        'bare_batch100_p99_ms',
        'generator_floor_requests_per_second',
        'generator_floor_p99_ms',
      ])
        assert.ok((figures[field] as number) > 0, field)
      assert.match(figures.result_hash as string, /^[0-9a-f]{32}$/)
    }
    assert.equal(tenfold.users, 10 * (result.users as number))
  })

  it('prints one JSON document with --json, and refuses what it does not know', async () => {
    const { stdout } = await run(process.execPath, [script, 'walk', '--json', '--tiny'])
    assert.equal(typeof (JSON.parse(stdout) as { result_hash: string }).result_hash, 'string')
    await assert.rejects(run(process.execPath, [script, 'nothing']), { code: 2 })
  })
})
