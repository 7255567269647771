// Persona sets: the lint says what is wrong and no more, and a proposal is merged twice, paid once, and seeded.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { checkPersonas } from '../../src/labelling/check-personas.ts'
import { eraseFromLabelling } from '../../src/labelling/erase-labelling.ts'
import { cacheFile, ledgerFile } from '../../src/labelling/files.ts'
import type { LedgerEntry } from '../../src/labelling/ledger.ts'
import { type Proposal, proposePersonas, type Sample } from '../../src/labelling/propose-personas.ts'
import { parseLines } from '../support/command.ts'
import type { FakeRequest, Script } from '../support/fake-openai.ts'
import { type Bench, type BenchOptions, personas, someShoppers, withBench } from '../support/labelling.ts'

const sound = { version: '1', personas }
const [first, ...others] = personas
const without = (change: object) => ({ version: '1', personas: [{ ...first, ...change }, ...others] })

describe('the lint of a persona set', () => {
  it('has nothing to say of a sound set', () => {
    assert.deepEqual(checkPersonas(sound), [])
    const titles = personas.flatMap(({ keywords }) => keywords.map((word) => `A ${word}s, large`))
    assert.deepEqual(checkPersonas(sound, titles), [])
  })

  for (const [what, value, severity, rule, says] of [
    ['no object', 7, 'error', 'form', /the file/],
    ['personas that are no list', { personas: {} }, 'error', 'form', /personas/],
    ['a keyword that is a number', without({ keywords: [7] }), 'error', 'form', /personas\.0\.keywords\.0/],
    ['no persona', { version: '1', personas: [] }, 'error', 'count', /no persona/],
    ['two personas', { version: '1', personas: personas.slice(1) }, 'warning', 'count', /2 personas/],
    ['very many personas', { version: '1', personas: many(41) }, 'warning', 'count', /41 personas are many/],
    ['more than a set takes', { version: '1', personas: many(257) }, 'error', 'count', /at most 256/],
    ['no version', { personas }, 'warning', 'version', /no version/],
    ['no name', without({ name: ' ' }), 'error', 'name', /no name/],
    ['a name with a space before it', without({ name: ' baker' }), 'error', 'name', /begins or ends/],
    ['a name of two lines', without({ name: 'home\nbaker' }), 'error', 'name', /cannot be written/],
    ['a long name', without({ name: 'b'.repeat(61) }), 'warning', 'name', /61 characters/],
    ['a name with a slash', without({ name: 'baker/cook' }), 'warning', 'name', /trouble in URLs/],
    ['a name twice', without({ name: 'new parent' }), 'error', 'duplicate', /twice/],
    [
      'a name in another case',
      without({ name: 'New  Parents' }),
      'error',
      'duplicate',
      /hardly another name than "new parent"/,
    ],
    [
      'a name much like another',
      without({ name: 'keen gardener outdoors' }),
      'warning',
      'near_duplicate',
      /much like "keen gardener"/,
    ],
    ['no description', without({ description: undefined }), 'error', 'description', /no description/],
    ['a short description', without({ description: 'Bakes.' }), 'warning', 'description', /short \(6/],
    ['no keywords', without({ keywords: [] }), 'warning', 'keywords', /no keywords/],
    [
      'a keyword without a word',
      without({ keywords: ['cake', '--'] }),
      'error',
      'keywords',
      /"--" has no word/,
    ],
    [
      'a shared keyword',
      without({ keywords: ['cake', 'Rattles'] }),
      'warning',
      'shared_keyword',
      /“rattle” is also of new parent/,
    ],
  ] as const)
    it(`names ${what}`, () => {
      const findings = checkPersonas(value)
      assert.equal(findings.length, 1, JSON.stringify(findings))
      assert.deepEqual([findings[0]!.severity, findings[0]!.rule], [severity, rule])
      assert.match(findings[0]!.message, says)
    })

  it('names keywords that no title has, and errors first', () => {
    const titles = [
      'Cake tin',
      'Icing',
      'Flour',
      'Garden seeds',
      'Trowel',
      'Pot for a plant',
      'Baby diaper rattle',
    ]
    const findings = checkPersonas(without({ description: '' }), titles)
    assert.equal(findings[0]!.severity, 'error')
    assert.deepEqual(
      findings.slice(1).map(({ rule, persona, message }) => [rule, persona, /“(.*)”/.exec(message)![1]]),
      [
        ['unmatched_keyword', 'home baker', 'baking'],
        ['unmatched_keyword', 'keen gardener', 'plant pot'],
        ['unmatched_keyword', 'new parent', 'nursing'],
      ],
    )
  })
})

/** Six samples of two shoppers. */
const samples: Sample[] = Array.from({ length: 6 }, (_, s) => ({
  shoppers: someShoppers(12).slice(s * 2, s * 2 + 2),
  titles: ['Cake tin', 'Garden trowel'],
}))

describe('proposing personas', () => {
  it('asks about each sample, merges in groups, merges again, and pays once', () =>
    withBench(async (bench) => {
      bench.api.answering = answerLists
      const proposal = await propose(bench)
      assert.ok(proposal.kind === 'proposed')
      const asked = bench.api.asked.map(({ request }) => kindOf(request))
      assert.deepEqual(asked.slice(0, 6), new Array(6).fill('candidates'))
      assert.deepEqual(asked.slice(6), ['merge of 3', 'merge of 3', 'merge of 2'])
      assert.match(proposal.set.version, /^[0-9a-f]{12}$/)
      assert.deepEqual(proposal.set.personas[0]!.keywords, ['cake', 'tin'], 'lower case, each once')
      assert.deepEqual(await propose(bench), proposal)
      assert.equal(bench.api.asked.length, 9, 'the second time nobody is asked')
    }))

  it('ends at an answer that cannot be used, keeps the others, and pays for that one again only when told', () =>
    withBench(async (bench) => {
      let broken = true
      bench.api.answering = (request) =>
        broken && kindOf(request) === 'merge of 2'
          ? { kind: 'choice', finish: 'length' }
          : answerLists(request)
      const proposal = await propose(bench)
      assert.ok(proposal.kind === 'failed')
      assert.deepEqual([proposal.step, proposal.failure.reason], ['second merge', 'cut_off'])
      broken = false
      assert.equal((await propose(bench)).kind, 'failed', 'it was paid for')
      assert.equal(bench.api.asked.length, 9)
      assert.equal((await propose(bench, { retryFailed: true })).kind, 'proposed')
      assert.equal(bench.api.asked.length, 10)
    }))

  for (const [what, value, says] of [
    ['too many', { personas: many(21) }, /21 personas; at most 20/],
    ['one twice', { personas: [personas[0], { ...personas[0], name: 'Home Bakers' }] }, /twice/],
    ['one without a description', { personas: [{ ...personas[0], description: ' ' }] }, /no description/],
    ['none', { personas: [] }, /no persona/],
  ] as const)
    it(`takes no list with ${what}`, () =>
      withBench(async (bench) => {
        bench.api.answering = () => ({ kind: 'answer', value })
        const proposal = await propose(bench)
        assert.ok(proposal.kind === 'failed')
        assert.equal(proposal.failure.reason, 'malformed')
        assert.match(proposal.failure.detail, says)
      }))

  it('stops before the cost limit', () =>
    withBench(async (bench) => {
      bench.api.answering = answerLists
      const prices = { in: 1000, out: 2000, source: 'given' } as const
      assert.deepEqual(await propose(bench, { prices, maxUsd: 4.5 }), {
        kind: 'not_sent',
        step: 'candidates',
      })
      assert.ok(bench.api.asked.length > 0 && bench.api.asked.length < 6)
    }))

  it('forgets what an erased shopper went into, and keeps the cost of it', () =>
    withBench(async (bench) => {
      bench.api.answering = answerLists
      await propose(bench)
      const lines = () => parseLines<LedgerEntry>(readFileSync(ledgerFile(bench.dir), 'utf8'))
      const [before, user] = [lines(), samples[0]!.shoppers[0]!.userId]
      assert.ok(before.some(({ users }) => users.includes(user)))
      eraseFromLabelling(bench.dir, (each) => each === user)
      assert.equal(lines().length, before.length)
      assert.ok(lines().every(({ users }) => !users.includes(user)))
      const answers = readFileSync(cacheFile(bench.dir), 'utf8')
      assert.ok(!answers.includes(`"${user}"`))
      assert.equal(parseLines(answers).length, 5, 'candidates of the other samples')
    }))
})

function propose(bench: Bench, options: BenchOptions = {}): Promise<Proposal> {
  return bench.run(options, ({ calls }) =>
    proposePersonas(samples, {
      calls,
      concurrency: 1,
      model: 'test-model',
      answerTokensMax: 1000,
      personasMax: 20,
      basketTokens: 100,
      catalogueTokens: 100,
    }),
  )
}

function kindOf({ messages }: FakeRequest): string {
  const lists = messages[1]!.content.match(/^List \d+:$/gm)
  return lists === null ? 'candidates' : `merge of ${lists.length}`
}

/** A list that differs from question to question, as answers do. */
function answerLists(request: FakeRequest): Script {
  const digest = [...request.messages[1]!.content].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997,
    7,
  )
  const list = personas.map((persona) => ({
    ...persona,
    description: `${persona.description} (${digest})`,
    keywords: ['Cake', 'cake', 'tin'],
  }))
  return { kind: 'answer', value: { personas: list } }
}

/** So many personas that have nothing in common. */
function many(count: number) {
  return Array.from({ length: count }, (_, n) => {
    const own = `kind${n}q`
    return { name: own, description: 'A description that is long enough.', keywords: [own] }
  })
}
