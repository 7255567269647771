// explain: what carries an answer sums up to it, and the counterfactual is true: without that product, that is the answer.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { type Explanation, explain } from '../../src/lookup/explain.ts'
import { snapshotOf } from '../../src/lookup/snapshot.ts'
import { openReader } from '../../src/profiler.ts'
import { json, lines, makeDirectory, removeDirectory, run, succeed } from '../support/command.ts'
import { ndjsonOf } from '../support/events.ts'
import { type ShopFiles, smallShop, writeShop } from '../support/shop-files.ts'

type Event = { event_id: string; user_id: string; product_id: string; type: string; quantity: number }
type User = { user_id: string; status: string; personas: { persona: string }[]; primary: string | null }
type Answer = { status: string; personas: string[]; primary: string | null }

/** No longer walks, and no memory in the decision: an answer is a function of the purchases alone. */
const env = {
  KINDRED_WALKS_MAX: '0',
  KINDRED_PERSONAS_HELD_MAX: '16',
  KINDRED_EXIT_MARGIN: '0',
  KINDRED_ENTER_FLOOR: '0.2',
}
const shop = smallShop({ seed: 5, shoppers: 300 })
const events = shop.events.map((line) => JSON.parse(line) as Event).filter(({ type }) => type === 'purchase')

describe('explain', () => {
  let dir: string
  let files: ShopFiles
  let users: User[]
  let explanations: Map<string, Explanation>
  const data = () => join(dir, 'data')
  const replay = (name: string, given: readonly Event[]) => {
    const file = join(dir, `${name}.ndjson`)
    writeFileSync(file, ndjsonOf(given))
    return ['replay', file, '--data', join(dir, name), '--prototypes', files.prototypes]
  }

  before(async () => {
    dir = makeDirectory()
    files = writeShop(dir, shop)
    await succeed(replay('data', events), { env })
    users = await lines<User>(['export', 'users', '--data', data()], { env })
    explanations = explainAll(data(), users)
  })
  after(() => removeDirectory(dir))

  it('gives shares that sum to one at the most, and products that the user bought', () => {
    let inferred = 0
    for (const { status, products, prototypes, prior_share, user_id } of explanations.values()) {
      if (status !== 'inferred') continue
      inferred++
      assert.ok(products.length > 0)
      const bought = new Set(events.filter((event) => event.user_id === user_id).map((e) => e.product_id))
      for (const { product_id, share, personas } of products) {
        assert.ok(bought.has(product_id) && share > 0 && share <= 1)
        assert.ok(Math.abs(sumOf(Object.values(personas)) - 1) < 1e-9)
      }
      assert.ok(sumOf(products.map(({ share }) => share)) <= 1 + 1e-9)
      assert.ok(sumOf(prototypes.map(({ share }) => share)) + prior_share <= 1 + 1e-3)
      assert.ok(prior_share >= 0 && prior_share <= 1)
    }
    assert.ok(inferred > 100)
  })

  it('has the paths between them, which carry what the labelled users carry', () => {
    const bought = new Set(events.map(({ user_id, product_id }) => `${user_id} ${product_id}`))
    let whole = 0
    for (const { status, method, products, prototypes, paths } of explanations.values()) {
      if (status !== 'inferred' || method === 'content') continue
      const ofPrototype = new Map(prototypes.map(({ user_id }) => [user_id, 0]))
      for (const { product_id, prototype, weight, share } of paths) {
        assert.ok(products.some((product) => product.product_id === product_id))
        assert.ok(bought.has(`${prototype} ${product_id}`) && weight > 0 && share > 0)
        ofPrototype.set(prototype, ofPrototype.get(prototype)! + share)
      }
      const greatestFirst = [...paths].sort((a, b) => b.share - a.share)
      assert.deepEqual(paths, greatestFirst)
      const allShown = products.length < 10 && paths.length < 50
      for (const { user_id, share } of prototypes) {
        const carried = ofPrototype.get(user_id)!
        assert.ok(carried <= share + 1e-9)
        if (allShown) assert.ok(Math.abs(carried - share) < 1e-9, `${user_id}: ${carried} of ${share}`)
      }
      whole += allShown && prototypes.length > 0 ? 1 : 0
    }
    assert.ok(whole > 50, `${whole} with all of their paths`)
  })

  it('names a product without which the answer is what it says, had it never been bought', async () => {
    const told = [...explanations.values()].filter(({ counterfactual }) => counterfactual !== null)
    assert.ok(told.length > 50, `${told.length} counterfactuals`)
    const gone = new Map(told.map(({ user_id, counterfactual }) => [user_id, counterfactual!.product_id]))
    const rest = events.filter(({ user_id, product_id }) => gone.get(user_id) !== product_id)
    await succeed(replay('rest', rest), { env })
    const after = new Map(
      (await lines<User>(['export', 'users', '--data', join(dir, 'rest')], { env })).map((user) => [
        user.user_id,
        answerOf(user),
      ]),
    )
    const unseen: Answer = { status: 'unknown', personas: [], primary: null }
    for (const { user_id, counterfactual } of told)
      assert.deepEqual(after.get(user_id) ?? unseen, counterfactualAnswer(counterfactual!), user_id)
  })

  it('names nothing when no single product decides: without any of them the answer is the same', async () => {
    const [user] = [...explanations.values()].filter(
      ({ status, counterfactual, products }) =>
        status === 'inferred' && counterfactual === null && products.length <= 8,
    )
    assert.ok(user !== undefined)
    const own = [...new Set(events.filter((e) => e.user_id === user.user_id).map((e) => e.product_id))]
    const copies = own.flatMap((without, n) =>
      events
        .filter((event) => event.user_id === user.user_id && event.product_id !== without)
        .map((event) => ({ ...event, event_id: `${event.event_id}/${n}`, user_id: `without-${n}` })),
    )
    await succeed(replay('copies', [...events, ...copies]), { env })
    const names = own.map((_, n) => `without-${n}`)
    const answers = await lines<User>(['lookup', ...names, '--data', join(dir, 'copies')], { env })
    for (const answer of answers)
      assert.deepEqual(answerOf(answer), answerOf(users.find(({ user_id }) => user_id === user.user_id)!))
  })

  it('is the same as a command, for each kind of user; one never seen is an error', async () => {
    for (const status of ['prototype', 'unknown', 'inferred']) {
      const { user_id } = users.find((user) => user.status === status)!
      const value = await json(['explain', user_id, '--data', data()], { env })
      assert.deepEqual(value, JSON.parse(JSON.stringify(explanations.get(user_id))))
      const text = await succeed(['explain', user_id, '--data', data()], { env })
      assert.ok(text.startsWith(`${user_id}: ${status}\n`))
      if (status === 'prototype') assert.match(text, /it answers with its labels/)
      if (status === 'unknown') assert.match(text, /missing: /)
      if (status === 'inferred') assert.match(text, /because of\n.*%/)
    }
    const { code, stdout, stderr } = await run(['explain', 'nobody', '--data', data(), '--json'], { env })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^kindred: user "nobody" was never seen in [^\n]+\n$/)
  })
})

function explainAll(dir: string, users: readonly User[]): Map<string, Explanation> {
  const config = configFrom(env)
  const store = openReader({ dir, config })
  const snapshot = snapshotOf(store, config)
  const all = new Map(users.map(({ user_id: userId }) => [userId, explain(snapshot, { userId })!]))
  void store.close()
  return all
}

function answerOf({ status, personas, primary }: User): Answer {
  return { status, personas: personas.map(({ persona }) => persona).sort(), primary }
}

function counterfactualAnswer({
  status,
  personas,
  primary,
}: NonNullable<Explanation['counterfactual']>): Answer {
  return { status, personas: [...personas].sort(), primary }
}

function sumOf(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
