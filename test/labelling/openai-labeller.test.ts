// Labelling by a language model: everything an API can do wrong has one outcome, and what was paid is not paid again.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { FatalError } from '../../src/errors.ts'
import { eraseFromLabelling } from '../../src/labelling/erase-labelling.ts'
import { cacheFile, ledgerFile } from '../../src/labelling/files.ts'
import { labelShoppers } from '../../src/labelling/label-shoppers.ts'
import type { LedgerEntry } from '../../src/labelling/ledger.ts'
import type { Shopper } from '../../src/labelling/port.ts'
import { parseLines } from '../support/command.ts'
import { type FakeRequest, labelOf, personasIn, type Script } from '../support/fake-openai.ts'
import { type Bench, personas, shopperWith, someShoppers, withBench } from '../support/labelling.ts'

type Case = {
  readonly what: string
  readonly script: (request: FakeRequest) => Script
  readonly reason: string
  readonly says: RegExp
  readonly paid: boolean
}

const answer = (changes: Record<string, unknown>) => (request: FakeRequest) =>
  ({ kind: 'answer', value: labelOf(request, changes) }) as const
const choice = (fields: object) => () => ({ kind: 'choice', ...fields }) as const
const status =
  (code: number, error: object = {}) =>
  () =>
    ({ kind: 'status', status: code, body: { error: { message: 'no', ...error } } }) as const

const paidFailures: readonly Case[] = [
  {
    what: 'an unknown persona',
    script: answer({ personas: [{ persona: 'pirate', probability: 1 }] }),
    reason: 'unknown_persona',
    says: /names "pirate", which the persona set does not have/,
  },
  {
    what: 'another shopper',
    script: answer({ shopper: 'shopper-0' }),
    reason: 'unknown_user',
    says: /about shopper-0, and shopper-\w+ was asked about/,
  },
  {
    what: 'a refusal',
    script: choice({ refusal: 'I cannot\nhelp with that.' }),
    reason: 'refusal',
    says: /refused: I cannot help with that/,
  },
  {
    what: 'a cut-off',
    script: choice({ content: '{"shopper":"sh', finish: 'length' }),
    reason: 'cut_off',
    says: /KINDRED_LABEL_ANSWER_TOKENS/,
  },
  {
    what: 'a content filter',
    script: choice({ finish: 'content_filter' }),
    reason: 'content_filter',
    says: /filter/,
  },
  {
    what: 'no JSON',
    script: choice({ content: 'Sure! {' }),
    reason: 'malformed',
    says: /not JSON: Sure! \{/,
  },
  { what: 'nothing', script: choice({ content: null }), reason: 'malformed', says: /not JSON: \(nothing\)/ },
  {
    what: 'JSON of another form',
    script: choice({ content: '{"personas":[]}' }),
    reason: 'malformed',
    says: /form asked for: shopper/,
  },
  {
    what: 'no choices',
    script: () => ({ kind: 'no_choices' }) as const,
    reason: 'no_choices',
    says: /no choices/,
  },
  {
    what: 'a body that is no JSON',
    script: () => ({ kind: 'body', text: '<html>busy</html>' }) as const,
    reason: 'malformed',
    says: /not a chat completion/,
  },
  {
    what: 'a probability of 7',
    script: answer({ personas: [{ persona: personas[0].name, probability: 7 }] }),
    reason: 'malformed',
    says: /personas\.0\.probability/,
  },
  {
    what: 'a persona twice',
    script: answer({
      personas: [0.5, 0.6].map((probability) => ({ persona: personas[0].name, probability })),
    }),
    reason: 'malformed',
    says: /a persona twice/,
  },
  { what: 'neither', script: answer({ personas: [] }), reason: 'malformed', says: /neither/ },
  { what: 'both', script: answer({ unrepresentable: true }), reason: 'malformed', says: /yet with personas/ },
  { what: 'no rationale', script: answer({ rationale: ' ' }), reason: 'malformed', says: /no rationale/ },
].map((each) => ({ ...each, paid: true }))

const unpaidFailures: readonly Case[] = [
  { what: '429', script: status(429), reason: 'rate_limited', says: /after 1 attempts: 429 no/ },
  { what: '500', script: status(500), reason: 'server_error', says: /after 1 attempts: 500 no/ },
  { what: '400', script: status(400), reason: 'rejected', says: /400 no/ },
  {
    what: 'a filter on what was asked',
    script: status(400, { code: 'content_filter' }),
    reason: 'content_filter',
    says: /filter: 400/,
  },
  {
    what: 'silence',
    script: () => ({ kind: 'hangs' }) as const,
    reason: 'timeout',
    says: /within 600 ms a try/,
  },
  {
    what: 'a body that stalls',
    script: () => ({ kind: 'stalls', text: '{"choices"' }) as const,
    reason: 'timeout',
    says: /within 600 ms a try/,
  },
].map((each) => ({ ...each, paid: false }))

/** One of three shoppers meets the case. */
const shoppers = someShoppers(3)
const isStruck = ({ messages }: FakeRequest) => messages[1]!.content.includes('size 1')

describe('labelling by a language model', () => {
  it('gives each shopper the personas and the rationale of the answer', () =>
    withBench(async (bench) => {
      bench.api.answering = (request) => {
        const [first, second] = personasIn(request)
        const named = [
          { persona: second, probability: 0.8 },
          { persona: first, probability: 0.3 },
          { persona: 'home baker', probability: 0 },
        ].filter(({ persona }, i, all) => all.findIndex((other) => other.persona === persona) === i)
        return isStruck(request)
          ? { kind: 'answer', value: labelOf(request, { unrepresentable: true, personas: [] }) }
          : { kind: 'answer', value: labelOf(request, { personas: named }) }
      }
      const { labelled, unrepresentable, failed } = await bench.run({}, ({ labeller }) =>
        labelShoppers([...shoppers, shopperWith('empty', [])], { labeller }),
      )
      assert.deepEqual(
        labelled.map(({ userId }) => userId),
        ['u0', 'u2'],
      )
      assert.deepEqual(labelled[0], {
        userId: 'u0',
        personas: { 'keen gardener': 0.8, 'home baker': 0.3 },
        rationale: 'It says so in the titles.',
        labeller: 'openai:test-model',
      })
      assert.deepEqual(
        unrepresentable.map(({ userId, rationale }) => [userId, rationale]),
        [
          ['u1', 'It says so in the titles.'],
          ['empty', 'nothing was bought'],
        ],
      )
      assert.deepEqual(failed, [])
      assert.equal(bench.api.asked.length, 3, 'nobody was asked about the empty basket')
      for (const { request, authorization } of bench.api.asked) {
        assert.equal(authorization, 'Bearer key-of-the-tests')
        assert.equal(request.response_format.json_schema.strict, true)
        assert.equal(request.max_completion_tokens, 1000)
      }
    }))

  for (const { what, script, reason, says, paid } of [...paidFailures, ...unpaidFailures])
    it(`reports ${what}, goes on, and ${paid ? 'does not pay for it again' : 'asks again next time'}`, () =>
      withBench(async (bench) => {
        bench.api.answering = (request) =>
          isStruck(request) ? script(request) : { kind: 'answer', value: labelOf(request, {}) }
        const run = () => labelAll(bench, { timeoutMs: reason === 'timeout' ? 600 : 10_000 })
        const first = await run()
        assert.equal(first.labelled.length, 2, 'the others are labelled')
        const { userId, reason: found, detail, paid: wasPaid } = first.failed[0]!
        assert.deepEqual([userId, found, wasPaid], ['u1', reason, paid])
        assert.match(detail, says)
        assert.equal(outcomes(bench).get('u1'), reason)
        const asked = bench.api.asked.length
        const second = await run()
        assert.deepEqual(second.failed, first.failed)
        assert.equal(bench.api.asked.length - asked, paid ? 0 : 1, 'calls of the second run')
        bench.api.answering = (request) => ({ kind: 'answer', value: labelOf(request, {}) })
        const third = await labelAll(bench, { retryFailed: true })
        assert.deepEqual([third.labelled.length, third.failed.length], [3, 0])
        assert.equal(bench.api.asked.length - asked, paid ? 1 : 2, 'only what failed is asked again')
      }))

  it('waits as long as Retry-After says, and counts tries that were answered once', () =>
    withBench(async (bench) => {
      bench.api.answering = (request, nth) =>
        nth === 0 && isStruck(request)
          ? { kind: 'status', status: 429, headers: { 'retry-after': '1' } }
          : nth === 0
            ? { kind: 'status', status: 500, headers: { 'retry-after-ms': '1' } }
            : { kind: 'answer', value: labelOf(request, {}) }
      const { labelled } = await labelAll(bench, { retries: 2 })
      assert.equal(labelled.length, 3)
      const [first, second] = bench.api.asked.filter(({ request }) => isStruck(request))
      assert.ok(second!.at - first!.at >= 950, `waited ${second!.at - first!.at} ms`)
      assert.deepEqual([...bench.api.paid.values()], [1, 1, 1])
      assert.equal(ledgerOf(bench).filter(({ outcome }) => outcome === 'answered').length, 3)
    }))

  it('does not wait a day, though Retry-After says so', () =>
    withBench(async (bench) => {
      bench.api.answering = (request) =>
        isStruck(request)
          ? { kind: 'status', status: 429, headers: { 'retry-after': '86400' } }
          : { kind: 'answer', value: labelOf(request, {}) }
      const { labelled, failed } = await labelAll(bench, { retries: 3 })
      assert.equal(labelled.length, 2)
      assert.deepEqual([failed.length, failed[0]!.reason], [1, 'rate_limited'])
      assert.match(failed[0]!.detail, /asks to wait 86400 s/)
      assert.equal(bench.api.asked.length, 3, 'it is not tried again now')
    }))

  for (const [what, script, says] of [
    ['a key that is not taken', status(401), /does not take the API key \(HTTP 401\)/],
    ['a model that is not known', status(404), /knows no such model/],
    ['a quota that is used up', status(429, { code: 'insufficient_quota' }), /quota is used up/],
  ] as const)
    it(`stops at ${what}, and keeps what was answered`, () =>
      withBench(async (bench) => {
        const many = someShoppers(12)
        bench.api.answering = (request) =>
          isStruck(request) ? script() : { kind: 'answer', value: labelOf(request, {}) }
        const run = bench.run({ concurrency: 2 }, ({ labeller }) => labelShoppers(many, { labeller }))
        await assert.rejects(run, (error) => error instanceof FatalError && says.test(error.message))
        assert.ok(bench.api.asked.length <= 4, 'no further calls are started')
        assert.ok(!JSON.stringify(ledgerOf(bench)).includes('key-of-the-tests'))
        bench.api.answering = (request) => ({ kind: 'answer', value: labelOf(request, {}) })
        const { labelled } = await bench.run({}, ({ labeller }) => labelShoppers(many, { labeller }))
        assert.equal(labelled.length, 12)
        assert.deepEqual([...new Set(bench.api.paid.values())], [1], 'each answer was paid once')
      }))

  it('asks one question about shoppers of one basket, by a name that is not theirs', () =>
    withBench(async (bench) => {
      const [one] = someShoppers(1)
      const alike = ['anna@example.org', 'bert@example.org'].map((userId) => ({ ...one!, userId }))
      const { labelled } = await bench.run({}, ({ labeller }) => labelShoppers(alike, { labeller }))
      assert.deepEqual(
        labelled.map(({ userId }) => userId),
        ['anna@example.org', 'bert@example.org'],
      )
      assert.equal(bench.api.asked.length, 1)
      assert.ok(!bench.api.asked[0]!.prompt.includes('example.org'))
      await bench.run({}, ({ labeller }) => labelShoppers([{ ...one!, userId: 'carl' }], { labeller }))
      assert.equal(bench.api.asked.length, 1, 'the answer is there')
    }))

  it('keeps the answer for the others of a basket when one of them is erased', () =>
    withBench(async (bench) => {
      const [one] = someShoppers(1)
      const [anna, bert, carl] = ['anna', 'bert', 'carl'].map((userId) => ({ ...one!, userId })) as [
        Shopper,
        Shopper,
        Shopper,
      ]
      const ask = (...whom: Shopper[]) => bench.run({}, ({ labeller }) => labelShoppers(whom, { labeller }))
      await ask(anna, bert)
      await ask(carl)
      for (const erased of ['anna', 'bert']) {
        eraseFromLabelling(bench.dir, (user) => user === erased)
        assert.ok(!readFileSync(cacheFile(bench.dir), 'utf8').includes(erased))
        assert.equal((await ask(carl)).labelled.length, 1)
      }
      assert.equal(bench.api.asked.length, 1)
      eraseFromLabelling(bench.dir, (user) => user === 'carl')
      await ask({ ...one!, userId: 'dora' })
      assert.equal(bench.api.asked.length, 2, 'nothing was left of it')
    }))

  it('asks once more when told to, and reports what fails again', () =>
    withBench(async (bench) => {
      bench.api.answering = () => ({ kind: 'choice', refusal: 'no' })
      await labelAll(bench, {})
      const { failed } = await labelAll(bench, { retryFailed: true })
      assert.deepEqual(
        failed.map(({ reason }) => reason),
        ['refusal', 'refusal', 'refusal'],
      )
      assert.equal(bench.api.asked.length, 6)
    }))

  it('asks anew when model, personas or basket are others', () =>
    withBench(async (bench) => {
      const [one] = someShoppers(1)
      const ask = (options: object, basket = one!.basket) =>
        bench.run(options, ({ labeller }) => labelShoppers([{ userId: 'u', basket }], { labeller }))
      await ask({})
      await ask({})
      assert.equal(bench.api.asked.length, 1)
      await ask({}, one!.basket.slice(1))
      assert.equal(bench.api.asked.length, 2)
      await ask({ tokenBudget: 12 })
      assert.equal(bench.api.asked.length, 3, 'less of the basket is shown')
    }))

  it('never passes the cost limit, whatever runs at a time, and goes on where it stopped', () =>
    withBench(async (bench) => {
      const many = someShoppers(20)
      const prices = { in: 1000, out: 2000, source: 'given' } as const // an answer costs 0.5 USD, and may cost 4
      const rounds: number[] = []
      for (let round = 0; round < 30 && rounds.at(-1) !== 0; round++) {
        const { notSent } = await bench.run(
          { prices, maxUsd: 6, concurrency: 8 },
          async ({ labeller, calls }) => {
            const run = await labelShoppers(many, { labeller })
            const { costUsd, stopped } = calls.spent()
            assert.ok(costUsd! <= 6, `${costUsd} USD`)
            assert.equal(stopped, run.notSent.length > 0)
            assert.equal(run.labelled.length + run.notSent.length, 20)
            return run
          },
        )
        rounds.push(notSent.length)
      }
      assert.ok(rounds.length > 2 && rounds.at(-1) === 0, `left after each run: ${rounds}`)
      assert.deepEqual([...bench.api.paid.values()], new Array(20).fill(1))
      const cost = ledgerOf(bench).reduce((sum, { cost_usd }) => sum + (cost_usd ?? 0), 0)
      assert.equal(cost, 20 * 0.5)
    }))

  it('estimates what it would take, calls nobody, and counts what is there', () =>
    withBench(async (bench) => {
      const before = await bench.run({}, async ({ labeller }) => labeller.estimate(shoppers))
      assert.equal(bench.api.asked.length, 0)
      assert.deepEqual([before.calls, before.cached], [3, 0])
      await bench.run({}, ({ labeller }) => labelShoppers(shoppers.slice(0, 2), { labeller }))
      const sent = bench.api.asked.map(({ request }) => Buffer.byteLength(JSON.stringify(request)))
      assert.ok(before.tokensIn >= (sent[0]! / 3.4) * 3, `${before.tokensIn} tokens for ${sent} bytes`)
      assert.ok(before.costUsdMax! > before.costUsd! && before.costUsd! > 0)
      const after = await bench.run({}, async ({ labeller }) => labeller.estimate(shoppers))
      assert.deepEqual([after.calls, after.cached], [1, 2])
    }))

  it('counts every byte a token where the provider does not count', () =>
    withBench(async (bench) => {
      bench.api.answering = (request) => ({ kind: 'answer', value: labelOf(request, {}), usage: 'none' })
      await labelAll(bench, {})
      const last = ledgerOf(bench).at(-1)!
      assert.equal(last.tokens_estimated, true)
      assert.ok(last.tokens_in! > 400 && last.cost_usd! > 0)
    }))

  it('enters every call twice: when it is sent, and what came of it', () =>
    withBench(async (bench) => {
      await labelAll(bench, {})
      const entries = ledgerOf(bench)
      assert.equal(entries.length, 6)
      for (const { call } of entries.filter(({ outcome }) => outcome === 'sent')) {
        const [sent, settled] = entries.filter((entry) => entry.call === call)
        assert.match(sent!.prompt_hash, /^[0-9a-f]{64}$/)
        assert.deepEqual(
          { ...settled!, time: '' },
          {
            ...sent!,
            time: '',
            outcome: 'answered',
            tokens_in: 400,
            tokens_out: 50,
            cost_usd: 0.0005,
          },
        )
      }
      assert.ok(existsSync(cacheFile(bench.dir)))
    }))
})

function labelAll(bench: Bench, options: Parameters<Bench['run']>[0]) {
  return bench.run(options, ({ labeller }) => labelShoppers(shoppers, { labeller }))
}

function ledgerOf({ dir }: Bench): LedgerEntry[] {
  return parseLines<LedgerEntry>(readFileSync(ledgerFile(dir), 'utf8'))
}

/** The last outcome of each user's calls. */
function outcomes(bench: Bench): Map<string, string> {
  return new Map(
    ledgerOf(bench).flatMap(({ users, outcome }) => users.map((user) => [user, outcome] as const)),
  )
}
