// Labels, fits and truth by the commands: sample → import with held-out users → calibrate → evaluate, /metrics, explain.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { json, makeDirectory, parseLines, removeDirectory, run, succeed } from '../support/command.ts'
import { ndjsonOf } from '../support/events.ts'
import { serve } from '../support/server.ts'

const kinds = ['baker', 'hiker', 'painter'] as const
const goods = { baker: ['Cake tin', 'Flour'], hiker: ['Tent', 'Rope'], painter: ['Brush', 'Canvas'] }
let dir: string
let data: string
let labels: string

/** 240 shoppers of three kinds: four or more products each of 20 of their kind, one of another kind. */
before(async () => {
  dir = await makeDirectory()
  data = join(dir, 'data')
  labels = join(dir, 'labels.ndjson')
  const events: object[] = []
  const lines: object[] = []
  for (let user = 0; user < 240; user++) {
    const kind = kinds[user % 3]!
    lines.push({ user_id: `u${user}`, personas: [kind] })
    for (let n = 0; n < 4 + (user % 5); n++) {
      const of = n === 2 ? kinds[(user + 1) % 3]! : kind
      const product = (user * 7 + n * 3) % 20
      events.push({
        event_id: `${user}:${n}`,
        user_id: `u${user}`,
        product_id: `${of}-${product}`,
        type: 'purchase',
        ts: new Date(Date.UTC(2025, 0, 1 + n, user % 24, user % 60)).toISOString(),
        title: `${goods[of][product % 2]} no ${product}`,
      })
    }
  }
  writeFileSync(labels, ndjsonOf(lines))
  await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf(events) })
})
after(() => removeDirectory(dir))

type Chosen = { user_id: string; purchases: number; round: number; held_out?: true }

describe('labels, fits and truth', () => {
  it('evaluate: Kindred beside the baselines, seeds, purchases, and a plot', async () => {
    const plot = join(dir, 'reliability.svg')
    const result = await json<{
      kindred: Record<string, number>
      walk: Record<string, number>
      baselines: Record<string, Record<string, number>>
      by_purchases: { purchases: number; micro_f1: number }[]
      seeds: number[]
    }>(['evaluate', '--labels', labels, '--data', data, '--share', '0.3', '--seeds', '3', '--plot', plot])
    for (const quality of [result.kindred, result.walk, ...Object.values(result.baselines)])
      for (const field of ['micro_f1', 'macro_f1', 'macro_auc', 'ece', 'brier', 'coverage', 'users'])
        assert.ok(Number.isFinite(quality[field]), field)
    assert.deepEqual(Object.keys(result.baselines), ['prior', 'gplr', 'jaccard', 'title_lr'])
    assert.deepEqual(result.seeds, [1, 2, 3])
    assert.equal(result.kindred.users, 168)
    assert.ok(
      result.kindred.micro_f1! > 0.9 && result.kindred.micro_f1! > result.baselines.prior!.micro_f1! + 0.3,
    )
    assert.deepEqual(
      result.by_purchases.map(({ purchases }) => purchases),
      [1, 3, 5],
    )
    assert.match(readFileSync(plot, 'utf8'), /^<svg [\s\S]*ECE[\s\S]*<\/svg>\n$/)
    const again = await json([
      'evaluate',
      '--labels',
      labels,
      '--data',
      data,
      '--share',
      '0.3',
      '--seeds',
      '3',
    ])
    assert.deepEqual(again, JSON.parse(JSON.stringify(result)), 'the same seeds say the same')
  })

  it('evaluate refuses what cannot be measured, saying what to do', async () => {
    for (const [args, message] of [
      [['evaluate', '--data', data], /--labels FILE/],
      [['evaluate', '--labels', labels, '--share', '1', '--data', data], /--share/],
      [['evaluate', '--labels', labels, '--seeds', '0', '--data', data], /--seeds/],
      [['evaluate', '--live', '--data', data], /labelled/],
    ] as const) {
      const { code, stderr } = await run([...args])
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
    }
  })

  it('prototypes sample: rounds of a budget, the held-out in the first, nobody twice, and an end', async () => {
    const sample = (...args: string[]) =>
      json<{ round: number; users: number; held_out: number }>([
        ...[
          'prototypes',
          'sample',
          '--data',
          data,
          '--budget',
          '80',
          '--rounds',
          '3',
          '--out',
          join(dir, 'next.ndjson'),
        ],
        ...args,
      ])
    const next = () => parseLines<Chosen>(readFileSync(join(dir, 'next.ndjson'), 'utf8'))
    assert.deepEqual(await sample(), {
      round: 1,
      rounds: 3,
      users: 32,
      held_out: 8,
      candidates: 240,
      out: join(dir, 'next.ndjson'),
    })
    const all = next()
    const labelled = join(dir, 'labelled.ndjson')
    for (let round = 2; round <= 3; round++) {
      writeLabels(labelled, all)
      assert.equal((await sample('--labelled', labelled)).round, round)
      all.push(...next())
    }
    assert.equal(all.length, 80)
    assert.equal(new Set(all.map(({ user_id }) => user_id)).size, 80)
    assert.equal(all.filter(({ held_out }) => held_out).length, 8)
    writeLabels(labelled, all)
    const over = await run(['prototypes', 'sample', '--data', data, '--budget', '80', '--labelled', labelled])
    assert.equal(over.code, 2)
    assert.match(over.stderr, /the budget is spent/)
    // a budget of 50 has rounds of 11 and 12: the share of the first is full, not almost
    writeFileSync(
      labelled,
      ndjsonOf(all.slice(8, 19).map(({ user_id }) => ({ user_id, personas: ['baker'] }))),
    )
    const second = await json<{ round: number; users: number }>([
      ...['prototypes', 'sample', '--data', data, '--budget', '50', '--labelled', labelled],
      ...['--asked', join(dir, 'next.ndjson'), '--out', join(dir, 'second.ndjson')],
    ])
    assert.deepEqual([second.round, second.users], [2, 12])
    const asked = new Set(next().map(({ user_id }) => user_id))
    const chosen = parseLines<Chosen>(readFileSync(join(dir, 'second.ndjson'), 'utf8'))
    assert.ok(
      chosen.every(({ user_id }) => !asked.has(user_id)),
      'nobody who was asked in vain',
    )
    writeLabels(labelled, all)
    const wrong = await run(['prototypes', 'sample', '--data', data, '--budget', '80', '--held-out', '1'])
    assert.equal(wrong.code, 2)
    const nobody = await run([
      'prototypes',
      'sample',
      '--data',
      data,
      '--budget',
      '8',
      '--min-purchases',
      '99',
    ])
    assert.match(nobody.stderr, /--min-purchases/)
  })

  it('imported with held-out users: fitted at the switch, measured, explained, listed, erased', async () => {
    const file = join(dir, 'labelled.ndjson')
    assert.ok(existsSync(file), 'the labels of the test before')
    const imported = await json(['prototypes', 'import', file, '--data', data])
    assert.deepEqual(imported, {
      version: 1,
      prototypes: 72,
      held_out: 8,
      personas: 3,
      applied_by: 'this command',
    })
    const list = join(dir, 'list.ndjson')
    writeFileSync(list, await succeed(['prototypes', 'list', '--data', data]))
    assert.equal(
      (await json<{ version: number }>(['prototypes', 'import', list, '--data', data])).version,
      1,
      'the same content',
    )
    const fit = await json<Record<string, unknown>>(['calibrate', '--data', data])
    assert.deepEqual([fit.epoch, fit.prototypes], [2, 72])
    const live = await json<Record<string, number>>(['evaluate', '--live', '--data', data])
    assert.deepEqual([live.users, live.coverage, live.epoch], [8, 1, 2])
    assert.ok(live.micro_f1! > 0.8, `micro-F1 ${live.micro_f1}`)
    const lines = parseLines<Chosen>(readFileSync(file, 'utf8'))
    const prototype = lines.find(({ held_out }) => held_out !== true)!.user_id
    const of = await json<Record<string, unknown>>(['explain', prototype, '--data', data])
    assert.deepEqual([of.labeller, of.rationale], ['by hand', `${prototype} told us`])
    const heldOut = lines.find(({ held_out }) => held_out === true)!.user_id
    const why = await json<{
      status: string
      parts: Record<string, Record<string, number>>
      prototypes: { labeller: string }[]
    }>(['explain', heldOut, '--data', data])
    assert.equal(why.status, 'inferred')
    assert.equal(why.prototypes[0]!.labeller, 'by hand')
    await assertParts(heldOut, why.parts)
    const server = await serve(data)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    assert.equal((await server.stop()).code, 0)
    assert.match(metrics, /^kindred_truth_users 8$/m)
    assert.match(metrics, /^kindred_truth_micro_f1 [01]\.?\d*$/m)
    assert.match(metrics, /^kindred_calibration_epoch 2$/m)
    await succeed(['erase', heldOut, '--data', data])
    assert.equal((await json<{ users: number }>(['evaluate', '--live', '--data', data])).users, 7)
    assert.doesNotMatch(await succeed(['prototypes', 'list', '--data', data]), new RegExp(`"${heldOut}"`))
    await succeed(['verify', '--data', data])
  })

  it('calibrate with too few prototypes fits nothing and says so', async () => {
    const few = join(dir, 'few')
    const lines = parseLines<object>(readFileSync(labels, 'utf8')).slice(0, 5)
    writeFileSync(join(dir, 'few.ndjson'), ndjsonOf(lines))
    const event = {
      event_id: 'e',
      user_id: 'u0',
      product_id: 'p',
      type: 'purchase',
      ts: '2025-01-01T00:00:00Z',
    }
    await succeed(['replay', '-', '--data', few, '--prototypes', join(dir, 'few.ndjson')], {
      stdin: ndjsonOf([event]),
    })
    const { code, stderr } = await run(['calibrate', '--data', few])
    assert.equal(code, 1)
    assert.match(stderr, /fewer than 50 prototypes/)
  })
})

/** The truth about these users, held out as they were sampled. */
function writeLabels(file: string, users: readonly Chosen[]): void {
  const lines = users.map(({ user_id, held_out }) => ({
    user_id,
    personas: [kinds[Number(user_id.slice(1)) % 3]],
    labeller: 'by hand',
    rationale: `${user_id} told us`,
    ...(held_out && { held_out }),
  }))
  writeFileSync(file, ndjsonOf(lines))
}

/** Parts add up to the log odds of the probability that the lookup shows. */
async function assertParts(user: string, parts: Record<string, Record<string, number>>): Promise<void> {
  const { personas } = await json<{ personas: { persona: string; probability: number }[] }>([
    'lookup',
    user,
    '--data',
    data,
  ])
  assert.deepEqual(Object.keys(parts).sort(), personas.map(({ persona }) => persona).sort())
  for (const { persona, probability } of personas) {
    const odds = Object.values(parts[persona]!).reduce((sum, part) => sum + part, 0)
    assert.ok(
      Math.abs(1 / (1 + Math.exp(-odds)) - probability) < 1e-9,
      `${persona}: ${odds} for ${probability}`,
    )
  }
}
