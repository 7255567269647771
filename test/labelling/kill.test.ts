// SIGKILL amid labelling: the answers that came are kept, the run goes on, and no answer is paid for twice.
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cacheFile, labellingDir, ledgerFile } from '../../src/labelling/files.ts'
import { readPendingBatch } from '../../src/labelling/pending-batch.ts'
import { json, makeDirectory, parseLines, removeDirectory, start, withDirectory } from '../support/command.ts'
import { answerFirstPersona, type FakeOpenAi, startFakeOpenAi } from '../support/fake-openai.ts'
import { type LabellingShop, makeShop } from '../support/labelling-shop.ts'
import { until } from '../support/wait.ts'

type Summary = { labelled: number; failed: number; calls: number; cached: number; interrupted_before: number }

const env = { KINDRED_OPENAI_API_KEY: 'key', KINDRED_LABEL_BATCH_POLL_MS: '5' }
const answeredFirst = 4
const atATime = 3

const root = makeDirectory()
let made: LabellingShop

before(async () => {
  made = await makeShop(root, 5)
})
after(() => removeDirectory(root))

describe('a labelling process that is killed', () => {
  it('live: what was answered is there, what was under way is asked again, each answer is paid once', () =>
    withShop(async ({ shop, api, args, dir }) => {
      const never = new Promise<never>(() => undefined)
      let answered = 0
      api.answering = (request) => (answered++ < answeredFirst ? answerFirstPersona(request) : never)
      const running = start([...args, '--concurrency', String(atATime)], { env })
      await until('answers are on disk and calls are held', () => {
        assert.equal(running.child.exitCode, null, running.stderr())
        return kept(shop) === answeredFirst && api.asked.length === answeredFirst + atATime
      })
      running.child.kill('SIGKILL')
      assert.equal((await running.ended).signal, 'SIGKILL')
      assert.ok(!existsSync(join(dir, 'labels.ndjson')), 'no half a file')
      for (const file of [cacheFile, ledgerFile])
        appendFileSync(file(labellingDir(shop.data)), '{"key":"torn') // as a kill amid a write leaves it
      const before = new Map(api.paid)
      assert.equal(before.size, answeredFirst)

      api.answering = answerFirstPersona
      const summary = await json<Summary>(args, { env })
      const { labelled, failed, calls, cached, interrupted_before } = summary
      const questions = new Set(api.asked.map(({ prompt }) => prompt)).size
      assert.deepEqual([labelled, failed, interrupted_before], [shop.users.length, 0, atATime])
      assert.deepEqual([cached, calls], [answeredFirst, questions - answeredFirst])
      assert.deepEqual([...api.paid.values()], new Array(questions).fill(1))
      for (const prompt of before.keys())
        assert.equal(api.asked.filter((each) => each.prompt === prompt).length, 1, 'not asked again')
      const lines = parseLines<{ user_id: string }>(readFileSync(join(dir, 'labels.ndjson'), 'utf8'))
      assert.deepEqual(lines.map(({ user_id }) => user_id).sort(), [...shop.users].sort())
      const again = await json<Summary>(args, { env })
      assert.deepEqual([again.calls, again.interrupted_before], [0, 0])
    }))

  it('batch: the one that is under way is picked up, made once and paid once', () =>
    withShop(async ({ shop, api, args }) => {
      api.batchEnd = () => undefined // it goes on
      const running = start([...args, '--batch'], { env })
      await until('the batch is waited for', () => api.batches.some(({ polls }) => polls > 1))
      running.child.kill('SIGKILL')
      await running.ended
      assert.equal(readPendingBatch(labellingDir(shop.data))?.batchId, 'batch-1')
      api.batchEnd = () => 'completed'
      const summary = await json<Summary>([...args, '--batch'], { env })
      assert.deepEqual([summary.labelled, summary.interrupted_before], [shop.users.length, 0])
      assert.equal(api.batches.length, 1)
      assert.deepEqual([...new Set(api.paid.values())], [1])
    }))

  it('batch: killed before it knew the id, the batch is found by its mark', () =>
    withShop(async ({ shop, api, args }) => {
      api.onBatchMade = () => new Promise(() => undefined) // made, and the reply never comes
      const running = start([...args, '--batch'], { env })
      await until('the batch is made', () => api.batches.length === 1)
      running.child.kill('SIGKILL')
      await running.ended
      api.onBatchMade = () => undefined
      const summary = await json<Summary>([...args, '--batch'], { env })
      assert.equal(summary.labelled, shop.users.length)
      assert.equal(api.batches.length, 1)
      assert.deepEqual([...new Set(api.paid.values())], [1])
    }))
})

type Given = {
  readonly dir: string
  readonly shop: LabellingShop
  readonly api: FakeOpenAi
  readonly args: readonly string[]
}

async function withShop(work: (given: Given) => Promise<void>): Promise<void> {
  const api = await startFakeOpenAi()
  try {
    await withDirectory(async (dir) => {
      const shop = { ...made, data: join(dir, 'data') }
      cpSync(made.data, shop.data, { recursive: true })
      const args = ['prototypes', 'label', '--labeller', 'openai', '--base-url', api.baseUrl]
      args.push('--data', shop.data, '--personas', shop.personas)
      args.push('--all-above', '1', '--out', join(dir, 'labels.ndjson'))
      await work({ dir, shop, api, args })
    })
  } finally {
    await api.stop()
  }
}

function kept({ data }: LabellingShop): number {
  const file = cacheFile(labellingDir(data))
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
}
