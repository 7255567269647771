// Erasure of what labelling keeps, and persona sets, as commands.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cacheFile, labellingDir } from '../../src/labelling/files.ts'
import { tryWriterLock } from '../../src/store/lock.ts'
import { json, type Outcome, run, succeed } from '../support/command.ts'
import { answerFirstPersona } from '../support/fake-openai.ts'
import { personas } from '../support/labelling.ts'
import { type LabellingRig, startLabellingRig } from '../support/labelling-shop.ts'
import { serve } from '../support/server.ts'

const env = { KINDRED_OPENAI_API_KEY: 'key' }
let rig: LabellingRig

before(async () => {
  rig = await startLabellingRig()
})
after(() => rig.stop())

describe('erase', () => {
  for (const beside of ['alone', 'beside a running serve'] as const)
    it(`${beside}: removes what labelling keeps of the user, and of nobody else`, () =>
      rig.withShop(async ({ data, label }) => {
        rig.api.answering = answerFirstPersona
        await label(env, '--labeller', 'openai', '--all-above', '1')
        assert.ok(traces(data, 'baker-0') >= 3)
        const others = traces(data, 'baker-1')
        const server = beside === 'alone' ? undefined : await serve(data)
        await succeed(['erase', 'baker-0', '--data', data])
        const lock = tryWriterLock(labellingDir(data), 'test')
        assert.ok(lock !== undefined, 'no lock is left behind')
        lock.release()
        if (server !== undefined) assert.equal((await server.stop()).code, 0)
        assert.equal(traces(data, 'baker-0'), 0)
        assert.equal(traces(data, 'baker-1'), others)
        if (server !== undefined) return
        const asked = rig.api.asked.length
        await label(env, '--labeller', 'openai', '--all-above', '1')
        assert.equal(rig.api.asked.length, asked, 'the answers about the others are there')
      }))

  it('that came by another way is made up for by the next labelling', () =>
    rig.withShop(async ({ data, label }) => {
      const entry = (user: string) =>
        `${JSON.stringify({ key: user, users: [user], reply: { content: 'x' }, usage: { tokensIn: 1, tokensOut: 1 } })}\n`
      mkdirSync(labellingDir(data))
      writeFileSync(cacheFile(labellingDir(data)), entry('erased') + entry('baker-0'))
      await label({}, '--labeller', 'openai', '--all-above', '1', '--dry-run')
      assert.deepEqual([traces(data, 'erased'), traces(data, 'baker-0')], [0, 2])
    }))
})

describe('personas', () => {
  it('propose: a file that check has nothing against; the second time it costs nothing', () =>
    rig.withShop(async ({ dir, data }) => {
      rig.api.answering = () => ({ kind: 'answer', value: { personas } })
      const out = join(dir, 'proposed.json')
      const args = [
        'personas',
        'propose',
        '--data',
        data,
        '--base-url',
        rig.api.baseUrl,
        '--samples',
        '4',
        '--shoppers',
        '2',
      ]
      const dry = await json([...args, '--dry-run'])
      assert.deepEqual([dry.calls, dry.shoppers], [7, 8])
      const asked = rig.api.asked.length
      const summary = await json([...args, '--out', out], { env })
      assert.equal(rig.api.asked.length - asked, summary.calls)
      assert.deepEqual(JSON.parse(readFileSync(out, 'utf8')), { version: summary.version, personas })
      const checked = await json(['personas', 'check', out])
      assert.deepEqual([checked.errors, checked.findings], [0, []])
      const again = await json([...args, '--out', out], { env })
      assert.deepEqual([again.calls, again.cost_usd, again.version], [0, 0, summary.version])
    }))

  it('propose: says which step failed, and leaves the file as it was', () =>
    rig.withShop(async ({ dir, data }) => {
      rig.api.answering = () => ({ kind: 'choice', refusal: 'no' })
      const out = join(dir, 'proposed.json')
      const args = ['personas', 'propose', '--data', data, '--base-url', rig.api.baseUrl, '--out', out]
      const { code, stderr } = await run(args, { env })
      assert.equal(code, 1)
      assert.match(stderr, /^kindred: candidates: refusal: the model refused: no; .*--retry-failed\n$/)
      assert.ok(!existsSync(out))
    }))

  it('check: ends with 1 for errors, with 0 for warnings, and knows the titles', () =>
    rig.withShop(async ({ dir, data }) => {
      const file = join(dir, 'set.json')
      writeFileSync(file, JSON.stringify({ personas }))
      const warned = await run(['personas', 'check', file])
      assert.deepEqual(
        [warned.code, warned.stdout],
        [0, 'warning: there is no version: name one, so that sets can be told apart\n'],
      )
      writeFileSync(
        file,
        JSON.stringify({
          version: '1',
          personas: personas.map((each) => ({ ...each, name: 'x', keywords: ['unicorn'] })),
        }),
      )
      const { code, stdout } = await run(['personas', 'check', file, '--data', data, '--json'])
      assert.equal(code, 1)
      const { errors, findings } = JSON.parse(stdout) as { errors: number; findings: { rule: string }[] }
      assert.equal(errors, 3)
      assert.ok(
        findings.some(({ rule }) => rule === 'unmatched_keyword'),
        'the titles are known',
      )
      writeFileSync(file, 'no JSON')
      refused(await run(['personas', 'check', file]), /a persona set is JSON/)
    }))
})

function refused({ code, stdout, stderr }: Outcome, says: RegExp): void {
  assert.deepEqual([code, stdout], [2, ''], stderr)
  assert.match(stderr, says)
}

/** How often labelling's files name the user. */
function traces(data: string, user: string): number {
  const dir = labellingDir(data)
  return readdirSync(dir).reduce(
    (sum, file) => sum + readFileSync(join(dir, file), 'utf8').split(`"${user}"`).length - 1,
    0,
  )
}
