// The batch API: a batch is made once and paid once, whatever becomes of the process, of it, or of its lines.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { FatalError } from '../../src/errors.ts'
import { eraseFromLabelling } from '../../src/labelling/erase-labelling.ts'
import { batchFile, cacheFile, ledgerFile } from '../../src/labelling/files.ts'
import { type LabelledRun, labelShoppers } from '../../src/labelling/label-shoppers.ts'
import type { LedgerEntry } from '../../src/labelling/ledger.ts'
import { parseLines } from '../support/command.ts'
import { answerFirstPersona, type FakeRequest, labelOf } from '../support/fake-openai.ts'
import { type Bench, type BenchOptions, someShoppers, withBench } from '../support/labelling.ts'

const shoppers = someShoppers(5)
const isAbout = ({ messages }: FakeRequest, n: number) => messages[1]!.content.includes(`size ${n}`)

describe('labelling through the batch API', () => {
  it('sends one file of questions, waits, and keeps the answers', () =>
    withBench(async (bench) => {
      const { labelled, failed } = await label(bench)
      assert.deepEqual([labelled.length, failed.length], [5, 0])
      assert.equal(bench.api.batches.length, 1)
      const lines = parseLines<{ custom_id: string; url: string }>(bench.api.files.get('file-1')!)
      assert.equal(new Set(lines.map(({ custom_id }) => custom_id)).size, 5)
      assert.deepEqual([...new Set(lines.map(({ url }) => url))], ['/v1/chat/completions'])
      assert.ok(!existsSync(batchFile(bench.dir)))
      assert.deepEqual(tally(bench), { 'batch sent': 5, 'batch answered': 5 })
      const again = await label(bench)
      assert.deepEqual(again.labelled, labelled)
      assert.equal(bench.api.batches.length, 1, 'nothing was left to ask')
    }))

  it('reports lines that failed, and asks for them again in the next run', () =>
    withBench(async (bench) => {
      const { api } = bench
      api.answering = (request) => {
        if (isAbout(request, 0)) return { kind: 'status', status: 429 }
        if (isAbout(request, 1))
          return {
            kind: 'status',
            status: 0,
            body: { error: { code: 'batch_expired', message: 'too late' } },
          }
        if (isAbout(request, 2)) return { kind: 'missing' }
        if (isAbout(request, 3)) return { kind: 'answer', value: labelOf(request, { shopper: 'x' }) }
        return answerFirstPersona(request)
      }
      const { labelled, failed } = await label(bench)
      assert.equal(labelled.length, 1)
      assert.deepEqual(
        failed.map(({ userId, reason, paid }) => [userId, reason, paid]),
        [
          ['u0', 'rate_limited', false],
          ['u1', 'batch_expired', false],
          ['u2', 'batch_failed', false],
          ['u3', 'unknown_user', true],
        ],
      )
      api.answering = answerFirstPersona
      const next = await label(bench)
      assert.deepEqual([next.labelled.length, next.failed.length], [4, 1])
      assert.equal(parseLines(api.files.get(api.batches[1]!.input_file_id)!).length, 3)
      assert.equal((await label(bench, { retryFailed: true })).labelled.length, 5)
    }))

  for (const [end, reason] of [
    ['failed', 'batch_failed'],
    ['expired', 'batch_expired'],
    ['cancelled', 'batch_cancelled'],
  ] as const)
    it(`keeps what a batch that is ${end} answered, reports the rest, and makes another the next time`, () =>
      withBench(async (bench) => {
        const { api } = bench
        api.batchEnd = () => end
        api.answering = (request) => (isAbout(request, 4) ? answerFirstPersona(request) : { kind: 'missing' })
        const { labelled, failed } = await label(bench)
        const answered = end === 'failed' ? 0 : 1
        assert.equal(labelled.length, answered)
        assert.deepEqual([...new Set(failed.map((each) => each.reason))], [reason])
        if (end === 'failed') assert.match(failed[0]!.detail, /batch-1 is failed .*: Enqueued token limit/)
        api.batchEnd = () => 'completed'
        api.answering = answerFirstPersona
        assert.equal((await label(bench)).labelled.length, 5)
        assert.equal(api.batches.length, 2)
        assert.deepEqual([...new Set(api.paid.values())], [1])
      }))

  it('picks up a batch whose answers could not be fetched, also for other shoppers than asked for', () =>
    withBench(async (bench) => {
      const { api } = bench
      api.hideFiles = true
      await assert.rejects(label(bench), ended(/does not know the batch or its file/))
      assert.ok(existsSync(batchFile(bench.dir)), 'it is not forgotten')
      api.hideFiles = false
      const fewer = await label(bench, {}, shoppers.slice(3))
      assert.equal(fewer.labelled.length, 2)
      assert.equal((await label(bench)).labelled.length, 5)
      assert.equal(api.batches.length, 1)
      assert.deepEqual([...new Set(api.paid.values())], [1])
      assert.deepEqual(tally(bench), { 'batch sent': 5, 'batch answered': 5 })
    }))

  it('finds a batch whose id was lost by its mark, and makes one that was never made', () =>
    withBench(async (bench) => {
      const { api } = bench
      api.onBatchMade = () => Promise.reject(new Error('the reply is lost')) // made, and nobody is told
      await assert.rejects(label(bench), ended(/cannot be reached: .* picked up by the next run/))
      assert.equal(api.batches.length, 1)
      api.onBatchMade = () => undefined
      assert.equal((await label(bench)).labelled.length, 5)
      assert.equal(api.batches.length, 1, 'the one that was made')
      assert.deepEqual([...new Set(api.paid.values())], [1])

      const others = someShoppers(8).slice(5)
      api.refuseBatches = 503
      await assert.rejects(label(bench, {}, others), ended(/cannot be reached: .*503/))
      api.refuseBatches = undefined
      assert.equal((await label(bench, {}, others)).labelled.length, 3)
      assert.equal(api.batches.length, 2)
      const { 'batch batch_failed': neverMade } = tally(bench)
      assert.equal(neverMade, 3, 'the calls that came to nothing')
    }))

  it('says that a provider takes no batches, and leaves nothing behind', () =>
    withBench(async (bench) => {
      bench.api.refuseBatches = 404
      await assert.rejects(label(bench), ended(/refuses the batch \(HTTP 404\)/))
      assert.ok(!existsSync(batchFile(bench.dir)))
      bench.api.refuseBatches = 401
      await assert.rejects(label(bench), ended(/HTTP 401/))
      assert.equal((await label(bench, { batch: false })).labelled.length, 5, 'one by one it works')
    }))

  it('sends no more lines than the cost limit allows', () =>
    withBench(async (bench) => {
      const prices = { in: 1000, out: 2000, source: 'given' } as const // a line may cost 4 USD
      const { labelled, notSent } = await label(bench, { prices, maxUsd: 9 })
      assert.ok(labelled.length > 0 && notSent.length > 0)
      assert.equal(labelled.length + notSent.length, 5)
      assert.equal(bench.api.asked.length, labelled.length)
    }))

  it('drops the answer about a user who was erased while the batch was under way', () =>
    withBench(async (bench) => {
      const { api } = bench
      api.onBatchMade = () => Promise.reject(new Error('the reply is lost'))
      await assert.rejects(label(bench))
      assert.ok(eraseFromLabelling(bench.dir, (user) => user === 'u2') > 0)
      api.onBatchMade = () => undefined
      const rest = shoppers.filter(({ userId }) => userId !== 'u2')
      assert.equal((await label(bench, {}, rest)).labelled.length, 4)
      assert.equal(api.batches.length, 1)
      for (const file of [cacheFile, ledgerFile])
        assert.ok(!readFileSync(file(bench.dir), 'utf8').includes('"u2"'), file.name)
      assert.equal(readFileSync(cacheFile(bench.dir), 'utf8').trim().split('\n').length, 4)
    }))
})

function label(bench: Bench, options: BenchOptions = {}, whom = shoppers): Promise<LabelledRun> {
  return bench.run({ batch: true, ...options }, ({ labeller }) => labelShoppers(whom, { labeller }))
}

const ended = (says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FatalError, String(error))
  assert.match(error.message, says)
  return true
}

/** Lines of the ledger by mode and outcome. */
function tally({ dir }: Bench): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { mode, outcome } of parseLines<LedgerEntry>(readFileSync(ledgerFile(dir), 'utf8')))
    counts[`${mode} ${outcome}`] = (counts[`${mode} ${outcome}`] ?? 0) + 1
  return counts
}
