// The commands: events in, labels out, imported, looked up; what they refuse; erasure; and a key that is never shown.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseLabels } from '../../src/codec/prototypes.ts'
import { labellingDir } from '../../src/labelling/files.ts'
import { tryWriterLock } from '../../src/store/lock.ts'
import {
  json,
  makeDirectory,
  type Outcome,
  parseLines,
  removeDirectory,
  run,
  type Settings,
  start,
  succeed,
  withDirectory,
} from '../support/command.ts'
import { answerFirstPersona, type FakeOpenAi, labelOf, startFakeOpenAi } from '../support/fake-openai.ts'
import { personas } from '../support/labelling.ts'
import { type LabellingShop, makeShop } from '../support/labelling-shop.ts'
import { serve } from '../support/server.ts'
import { until } from '../support/wait.ts'

type Line = {
  user_id: string
  personas: Record<string, number>
  labeller: string
  rationale: string
  held_out?: true
}

const shared = makeDirectory()
const key = 'sk-secret-of-the-tests'
const env = { KINDRED_OPENAI_API_KEY: key }
let made: LabellingShop
let api: FakeOpenAi

before(async () => {
  made = await makeShop(shared, 4)
  api = await startFakeOpenAi()
})

after(async () => {
  await api.stop()
  removeDirectory(shared)
})

describe('prototypes label', () => {
  it('by keywords: events, labels, import, and everybody is known', () =>
    withShop(async ({ dir, data, out, label }) => {
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
      await succeed(['prototypes', 'import', out, '--personas', made.personas, '--data', data])
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
    withShop(async ({ out, label }) => {
      const summary = await label({}, '--labeller', 'embedding', '--all-above', '4')
      assert.deepEqual([summary.labelled, summary.unrepresentable], [9, 0])
      const right = parseLines<Line>(readFileSync(out, 'utf8')).filter(({ user_id, personas: found }) => {
        const [best] = Object.entries(found).sort((a, b) => b[1] - a[1])[0]!
        return best.endsWith(user_id.split('-')[0]!)
      })
      assert.ok(right.length >= 8, `${right.length} of 9`)
    }))

  it('says in a dry run what it would take, without a key, and calls nobody', () =>
    withShop(async ({ label, out }) => {
      const asked = api.asked.length
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
      const given = await label(bare, ...args, '--model', 'mine', '--price-in', '1', '--price-out', '2')
      assert.ok(Number(given.cost_usd) > 0)
      assert.equal(api.asked.length, asked)
      assert.ok(!existsSync(out))
    }))

  it('ends with 1 when some failed or were not asked about, and writes what it has', () =>
    withShop(async ({ dir, labelling, out }) => {
      api.answering = (request) =>
        request.messages[1]!.content.includes('rattle')
          ? { kind: 'choice', refusal: `no, ${key}` }
          : request.messages[1]!.content.includes('Tomato')
            ? { kind: 'answer', value: labelOf(request, { unrepresentable: true, personas: [] }) }
            : answerFirstPersona(request)
      const users = join(dir, 'users.ndjson')
      const chosen = ['baker-0', 'gardener-0', 'parent-0'].map((user_id) => ({ user_id }))
      writeFileSync(users, ndjson(chosen))
      const args = labelling('--labeller', 'openai', '--users', users)
      const { code, stdout } = await run([...args, '--json'], { env })
      assert.equal(code, 1)
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
    withShop(async ({ data, labelling }) => {
      api.answering = answerFirstPersona
      const labelled = await run(labelling('--labeller', 'openai', '--all-above', '4'), { env })
      assert.equal(labelled.code, 0)
      api.answering = () => ({ kind: 'status', status: 400, body: { error: { message: `bad key ${key}` } } })
      const failed = await run(labelling('--labeller', 'openai', '--all-above', '1', '--json'), { env })
      assert.equal(failed.code, 1)
      assert.match(failed.stdout, /bad key \(key\)/)
      api.answering = () => ({ kind: 'status', status: 401, body: { error: { message: `wrong: ${key}` } } })
      const refused = await run(labelling('--labeller', 'openai', '--all-above', '1', '--json'), { env })
      assert.equal(refused.code, 1)
      const config = await run(['config'], { env })
      const files = readdirSync(labellingDir(data)).map((file) =>
        readFileSync(join(labellingDir(data), file), 'utf8'),
      )
      const shown = [labelled, failed, refused, config].flatMap(({ stdout, stderr }) => [stdout, stderr])
      for (const text of [...shown, ...files]) assert.ok(!text.includes(key))
      assert.match(config.stdout, /KINDRED_OPENAI_API_KEY +\(set\)/)
      assert.equal(api.asked.at(-1)!.authorization, `Bearer ${key}`)
    }))

  it('takes the key from OPENAI_API_KEY too', () =>
    withShop(async ({ label }) => {
      api.answering = answerFirstPersona
      await label({ OPENAI_API_KEY: 'other' }, '--labeller', 'openai', '--all-above', '4')
      assert.equal(api.asked.at(-1)!.authorization, 'Bearer other')
    }))

  it('refuses what it cannot do, with what to do', () =>
    withShop(async ({ dir, data, labelling }) => {
      const users = join(dir, 'users.ndjson')
      const all = ['--all-above', '1']
      const openai = ['--labeller', 'openai', ...all]
      const listed = ['--labeller', 'keyword', '--users', users]
      for (const [args, says, content] of [
        [['--labeller', 'oracle', ...all], /Allowed choices are openai, keyword, embedding/],
        [['--labeller', 'keyword'], /--users FILE or --all-above N/],
        [['--labeller', 'keyword', ...all, '--users', users], /--users FILE or --all-above N/],
        [['--labeller', 'keyword', '--all-above', 'x'], /whole number/],
        [openai, /there is no API key: set KINDRED_OPENAI_API_KEY/],
        [[...openai, '--dry-run', '--model', 'mine', '--max-cost', '1'], /"mine": name them with --price-in/],
        [[...openai, '--dry-run', '--max-cost', 'much'], /an amount in USD/],
        [[...openai, '--dry-run', '--price-in', '1'], /both prices/],
        [[...openai, '--dry-run', '--price-in', 'x', '--price-out', '1'], /KINDRED_LABEL_PRICE_IN/],
        [[...openai, '--dry-run', '--concurrency', '0'], /KINDRED_LABEL_CONCURRENCY/],
        [[...openai, '--dry-run', '--base-url', 'nowhere'], /KINDRED_LABEL_BASE_URL: is an http/],
        [listed, /user "nobody" was never seen/, '{"user_id":"nobody"}\n'],
        [listed, /line 2: user "baker-0" is listed twice/, '{"user_id":"baker-0"}\n{"user_id":"baker-0"}\n'],
        [listed, /line 1: user_id is missing/, '{}\n'],
        [listed, /line 1: held_out is not/, '{"user_id":"baker-0","held_out":1}\n'],
        [listed, /line 1: .*a line is/, 'baker-0\n'],
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
          made.personas,
          '--data',
          data,
        ]),
        /--out FILE/,
      )
    }))

  it('is one at a time, and erase waits its turn', () =>
    withShop(async ({ data, labelling }) => {
      const never = new Promise<never>(() => undefined)
      api.answering = () => never
      const asked = api.asked.length
      const args = labelling('--labeller', 'openai', '--all-above', '1')
      const running = start(args, { env })
      await until('it asks', () => api.asked.length > asked)
      for (const other of [args, ['erase', 'baker-0', '--data', data]]) {
        const { code, stderr } = await run(other, { env })
        assert.equal(code, 1)
        assert.match(stderr, /in use by `kindred prototypes label` \(process \d+\)/)
      }
      assert.equal((await run(['lookup', 'baker-0', '--data', data])).code, 0, 'nothing was erased')
      running.child.kill('SIGKILL')
      await running.ended
      api.answering = answerFirstPersona
      await succeed(['erase', 'baker-0', '--data', data])
    }))
})

describe('erase', () => {
  for (const beside of ['alone', 'beside a running serve'] as const)
    it(`${beside}: removes what labelling keeps of the user, and of nobody else`, () =>
      withShop(async ({ data, label }) => {
        api.answering = answerFirstPersona
        await label(env, '--labeller', 'openai', '--all-above', '1')
        assert.ok(traces(data, 'baker-0') >= 3)
        const others = traces(data, 'baker-1')
        const server = beside === 'alone' ? undefined : await serve(data)
        await succeed(['erase', 'baker-0', '--data', data])
        if (server !== undefined) assert.equal((await server.stop()).code, 0)
        assert.equal(traces(data, 'baker-0'), 0)
        assert.equal(traces(data, 'baker-1'), others)
        const asked = api.asked.length
        await label(env, '--labeller', 'openai', '--all-above', '1')
        assert.equal(api.asked.length, asked, 'the answers about the others are there')
      }))

  it('that came by another way is made up for by the next labelling', () =>
    withShop(async ({ data, label }) => {
      api.answering = answerFirstPersona
      await label(env, '--labeller', 'openai', '--all-above', '1')
      const kept = join(data, 'kept')
      cpSync(labellingDir(data), kept, { recursive: true })
      await succeed(['erase', 'baker-0', '--data', data])
      rmSync(labellingDir(data), { recursive: true })
      cpSync(kept, labellingDir(data), { recursive: true })
      assert.ok(traces(data, 'baker-0') > 0)
      await label({}, '--labeller', 'openai', '--all-above', '1', '--dry-run')
      assert.equal(traces(data, 'baker-0'), 0)
    }))

  it('leaves no lock behind', () =>
    withShop(async ({ data, label }) => {
      await label({}, '--labeller', 'openai', '--all-above', '1', '--dry-run')
      await succeed(['erase', 'baker-0', '--data', data])
      const lock = tryWriterLock(labellingDir(data), 'test')
      assert.ok(lock !== undefined)
      lock.release()
    }))
})

describe('personas', () => {
  it('propose: a file that check has nothing against; the second time it costs nothing', () =>
    withShop(async ({ dir, data }) => {
      api.answering = () => ({ kind: 'answer', value: { personas } })
      const out = join(dir, 'proposed.json')
      const args = [
        'personas',
        'propose',
        '--data',
        data,
        '--base-url',
        api.baseUrl,
        '--samples',
        '4',
        '--shoppers',
        '2',
      ]
      const dry = await json([...args, '--dry-run'])
      assert.deepEqual([dry.calls, dry.shoppers], [7, 8])
      const asked = api.asked.length
      const summary = await json([...args, '--out', out], { env })
      assert.equal(api.asked.length - asked, summary.calls)
      assert.deepEqual(JSON.parse(readFileSync(out, 'utf8')), { version: summary.version, personas })
      const checked = await json(['personas', 'check', out])
      assert.deepEqual([checked.errors, checked.findings], [0, []])
      const again = await json([...args, '--out', out], { env })
      assert.deepEqual([again.calls, again.cost_usd, again.version], [0, 0, summary.version])
      refused(await run([...args, '--out', out, '--samples', '0'], { env }), /--samples takes a whole number/)
    }))

  it('propose: says which step failed, and leaves the file as it was', () =>
    withShop(async ({ dir, data }) => {
      api.answering = () => ({ kind: 'choice', refusal: 'no' })
      const out = join(dir, 'proposed.json')
      const args = ['personas', 'propose', '--data', data, '--base-url', api.baseUrl, '--out', out]
      const { code, stderr } = await run(args, { env })
      assert.equal(code, 1)
      assert.match(stderr, /^kindred: candidates: refusal: the model refused: no; .*--retry-failed\n$/)
      assert.ok(!existsSync(out))
    }))

  it('check: ends with 1 for errors, with 0 for warnings, and knows the titles', () =>
    withShop(async ({ dir, data }) => {
      const file = join(dir, 'set.json')
      writeFileSync(file, JSON.stringify({ personas }))
      const warned = await run(['personas', 'check', file])
      assert.deepEqual(
        [warned.code, warned.stdout],
        [0, 'warning: there is no version: name one, so that sets can be told apart\n'],
      )
      const known = await json(['personas', 'check', file, '--data', data])
      assert.ok((known.findings as { rule: string }[]).every(({ rule }) => /version|unmatched/.test(rule)))
      writeFileSync(
        file,
        JSON.stringify({ version: '1', personas: personas.map((each) => ({ ...each, name: 'x' })) }),
      )
      const { code, stdout } = await run(['personas', 'check', file, '--json'])
      assert.equal(code, 1)
      assert.equal((JSON.parse(stdout) as { errors: number }).errors, 3)
      writeFileSync(file, 'no JSON')
      refused(await run(['personas', 'check', file]), /a persona set is JSON/)
    }))
})

type Given = {
  readonly dir: string
  readonly data: string
  readonly out: string
  /** Arguments of `prototypes label` against the fake API. */
  labelling(...args: string[]): string[]
  label(settings: Settings, ...args: string[]): Promise<Record<string, unknown>>
}

/** A copy of the shop, for one test. */
function withShop(work: (given: Given) => Promise<void>): Promise<void> {
  return withDirectory((dir) => {
    const [data, out] = [join(dir, 'data'), join(dir, 'labels.ndjson')]
    cpSync(made.data, data, { recursive: true })
    const labelling = (...args: string[]) => [
      ...['prototypes', 'label', '--data', data, '--personas', made.personas, '--out', out],
      ...(args.includes('--base-url') ? [] : ['--base-url', api.baseUrl]),
      ...args,
    ]
    return work({
      dir,
      data,
      out,
      labelling,
      label: (settings, ...args) => json(labelling(...args), { env: settings }),
    })
  })
}

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

function ndjson(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
