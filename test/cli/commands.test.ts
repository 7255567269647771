// Every command from a shell: help, exit codes, and the JSON that scripts rely on (DESIGN §3), with nothing beside it on stdout.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { schemaVersion } from '../../src/store/lmdb/layout.ts'
import {
  json,
  lines,
  makeDirectory,
  parseLines,
  removeDirectory,
  run,
  succeed,
  withDirectory,
} from '../support/command.ts'
import { type ShopFiles, smallShop, writeShop } from '../support/shop-files.ts'

const commands = [
  'demo',
  'replay',
  'serve',
  'prototypes',
  'prototypes import',
  'prototypes list',
  'lookup',
  'explain',
  'export',
  'verify',
  'erase',
  'backup',
  'migrate',
  'quarantine',
  'quarantine list',
  'quarantine replay',
  'sinks',
  'sinks list',
  'sinks drop',
  'doctor',
  'config',
].map((command) => command.split(' '))

const summaryKeys = [
  'events',
  'applied',
  'duplicates',
  'quarantined',
  'users',
  'products',
  'edges',
  'rewalks',
  'changes',
  'seconds',
  'events_per_second',
]
const userKeys = [
  'user_id',
  'status',
  'version',
  'landing_mass',
  'scores',
  'probabilities',
  'personas',
  'primary',
  'degree',
  'method',
]
const productKeys = ['product_id', 'title', 'buyers', 'labelled_mass', 'published']
const verifyKeys = ['users', 'products', 'score_mismatches', 'max_published_drift', 'sampled_users']
const changeKeys = [
  'event_id',
  'user_id',
  'sequence',
  'occurred_at',
  'cause',
  'status',
  'entered',
  'exited',
  'personas',
  'primary',
  'previous_primary',
  'evidence',
  'prototype_set_version',
]

type Persona = { persona: string; probability: number }
type Label = { user_id: string; personas: string[] | Record<string, number> }
type UserLine = {
  user_id: string
  status: string
  version: number
  landing_mass: number
  scores: Record<string, number>
  probabilities: Record<string, number>
  personas: (Persona & { since: string })[]
  primary: string | null
  method: string
}

describe('a command', () => {
  it('tells what it does with --help, and ends with 0', async () => {
    const help = async (command: readonly string[]) => {
      const { code, stdout, stderr } = await run([...command, '--help'])
      assert.deepEqual([code, stderr], [0, ''], command.join(' '))
      assert.match(stdout, new RegExp(`^Usage: kindred ${command.join(' ')} `))
      assert.match(stdout, /Options:/)
    }
    for (let n = 0; n < commands.length; n += 3) await Promise.all(commands.slice(n, n + 3).map(help))
  })

  it('that is used wrongly ends with 2, says how to use it, and writes nothing to stdout', () =>
    withDirectory(async (dir) => {
      const wrong = [
        [],
        ['frobnicate'],
        ['replay'],
        ['replay', 'a', '--no-such-option'],
        ['explain', 'a', 'b'],
        ['export'],
        ['export', 'everything'],
        ['backup'],
        ['prototypes', 'frobnicate'],
        ['config', '--data'],
      ]
      for (const args of wrong) {
        const { code, stdout, stderr } = await run(args, { cwd: dir })
        assert.deepEqual([code, stdout], [2, ''], args.join(' '))
        assert.ok(stderr.includes('Usage:') || stderr.includes('--help'), args.join(' '))
      }
    }))

  it('that finds no data says how to make some, in one line, and makes none', () =>
    withDirectory(async (dir) => {
      const data = ['--data', join(dir, 'none')]
      const reading = [['lookup', 'a'], ['explain', 'a'], ['verify'], ['erase', 'a']]
      const other = [
        ['backup', join(dir, 'copy')],
        ['migrate'],
        ['quarantine', 'list'],
        ['prototypes', 'list'],
      ]
      for (const args of [...reading, ...other]) {
        const { code, stdout, stderr } = await run([...args, ...data, '--json'])
        assert.deepEqual([code, stdout], [1, ''], args.join(' '))
        assert.match(stderr, /^kindred: \S+ holds no data of Kindred: fill it with `kindred replay[^\n]+\n$/)
      }
      assert.throws(() => readFileSync(join(dir, 'none', 'writer.lock')))
    }))

  it('refuses a setting that there is not, and a value that cannot be', async () => {
    for (const [env, says] of [
      [{ KINDRED_KAPA: '1' }, /KINDRED_KAPA is not a setting; `kindred config` lists them/],
      [{ KINDRED_KAPPA: 'much' }, /KINDRED_KAPPA: /],
      [{ KINDRED_WEIGHTS_REPEAT: 'twice' }, /KINDRED_WEIGHTS_REPEAT: /],
    ] as const) {
      const { code, stdout, stderr } = await run(['config', '--json'], { env })
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, says)
    }
  })

  it('shows its version', async () => {
    const { version } = JSON.parse(
      readFileSync(fileURLToPath(new URL('../../../package.json', import.meta.url)), 'utf8'),
    ) as { version: string }
    assert.equal(await succeed(['--version']), `${version}\n`)
  })
})

describe('the commands over a shop', () => {
  let dir: string
  let files: ShopFiles
  let data: string
  let changes: string
  let summary: Record<string, unknown>
  const shop = smallShop({ seed: 21, shoppers: 200 })
  const labels = new Map(shop.prototypes.map((line) => JSON.parse(line) as Label).map((l) => [l.user_id, l]))
  const at = () => ['--data', data]

  before(async () => {
    dir = makeDirectory()
    files = writeShop(dir, shop)
    data = join(dir, 'data')
    changes = join(dir, 'changes.ndjson')
    const extras = ['--prototypes', files.prototypes, '--changes', changes]
    summary = await json(['replay', files.events, ...at(), ...extras])
  })
  after(() => removeDirectory(dir))

  it('replay sums up what it did', () => {
    assertKeys(summary, summaryKeys, ['blocked'])
    const users = new Set([
      ...shop.events.map((line) => (JSON.parse(line) as Label).user_id),
      ...labels.keys(),
    ])
    assert.equal(summary.events, shop.events.length)
    assert.equal(summary.applied, shop.events.length)
    assert.deepEqual([summary.duplicates, summary.quarantined, summary.blocked], [0, 0, 0])
    assert.equal(summary.users, users.size)
    assert.equal(summary.changes, parseLines(readFileSync(changes, 'utf8')).length)
    assert.ok(Number(summary.rewalks) > 0 && Number(summary.seconds) > 0)
    assert.ok(Number(summary.events_per_second) > 0)
  })

  it('replay of a finished file does nothing, under whatever name; of a longer one, what is new', async () => {
    const copy = join(dir, 'copy.ndjson')
    copyFileSync(files.events, copy)
    for (const file of [files.events, copy]) {
      const again = await json(['replay', file, ...at(), '--prototypes', files.prototypes])
      assert.deepEqual([again.events, again.applied, again.changes], [0, 0, 0])
    }
    await withDirectory(async (own) => {
      const place = ['--data', join(own, 'data')]
      await succeed(['replay', files.events, ...place])
      const last = JSON.parse(shop.events.at(-1)!) as object
      appendFileSync(copy, `${JSON.stringify({ ...last, event_id: 'new' })}\n`)
      const longer = await json(['replay', copy, ...place])
      assert.deepEqual([longer.applied, longer.duplicates], [1, shop.events.length])
    })
  })

  it('export users gives every user, each as it is answered', async () => {
    const users = await lines<UserLine>(['export', 'users', ...at()])
    assert.equal(users.length, summary.users)
    assert.deepEqual(
      new Set(users.map(({ status }) => status)),
      new Set(['prototype', 'inferred', 'unknown']),
    )
    for (const user of users) {
      assertKeys(user, userKeys, ['prototype_set_version', 'position', 'half_width'])
      assertUser(user, labels.get(user.user_id))
    }
  })

  it('export products gives every product, its published shares summing to rho', async () => {
    type Line = { buyers: number; labelled_mass: number; rho: number; published: Record<string, number> }
    const products = await lines<Line>(['export', 'products', ...at()])
    assert.equal(products.length, summary.products)
    for (const product of products) {
      assertKeys(product, productKeys, ['category', 'rho'])
      const sum = Object.values(product.published).reduce((total, share) => total + share, 0)
      assert.ok(Math.abs(sum - product.rho) <= 0.02 * product.rho + 1e-6, JSON.stringify(product))
      assert.ok(product.buyers >= 0 && product.labelled_mass >= 0)
    }
  })

  it('export graph gives every edge, and GEXF that holds them', async () => {
    const edges = await lines<{ net_quantity: number; views: number }>(['export', 'graph', ...at()])
    assert.ok(edges.length >= Number(summary.edges))
    const gexf = await succeed(['export', 'graph', '--format', 'gexf', ...at()])
    assert.match(gexf, /^<\?xml version="1\.0"/)
    assert.equal(gexf.match(/<edge /g)?.length, summary.edges)
  })

  it('export goes quietly when its reader has had enough', () => {
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
    const shell = `set -o pipefail; '${process.execPath}' '${main}' export graph --data '${data}' 2>&1 | head -n 1`
    const env = { PATH: process.env.PATH ?? '' }
    assert.equal(execFileSync('bash', ['-c', shell], { env, encoding: 'utf8' }).trim().split('\n').length, 1)
  })

  it('the change file holds change events, each naming the record that caused it', () => {
    type Change = Record<string, unknown> & {
      event_id: string
      occurred_at: string
      cause: { event_id: string; source: string; position: number }
      entered: Persona[]
      exited: Persona[]
      personas: Persona[]
      evidence: { share: number }[]
    }
    const told = parseLines<Change>(readFileSync(changes, 'utf8'))
    assert.equal(new Set(told.map(({ event_id }) => event_id)).size, told.length)
    for (const change of told) {
      assert.deepEqual(Object.keys(change), changeKeys)
      assert.match(change.event_id, /^pc_[0-9a-f]{32}$/)
      assert.deepEqual(Object.keys(change.cause), ['event_id', 'source', 'position'])
      for (const persona of [...change.entered, ...change.exited, ...change.personas])
        assert.deepEqual(Object.keys(persona), ['persona', 'probability'])
      for (const product of change.evidence) assertKeys(product, ['product_id', 'title', 'share'], [])
      if (change.cause.event_id === 'prototypes:1') continue
      assert.match(change.cause.source, /^file:/)
      const line = JSON.parse(shop.events[change.cause.position - 1]!) as { event_id: string; ts: string }
      assert.deepEqual([change.cause.event_id, change.occurred_at], [line.event_id, line.ts])
    }
  })

  it('lookup shows a prototype, an unknown and an inferred user as they are; one never seen ends with 1', async () => {
    const users = await lines<UserLine>(['export', 'users', ...at()])
    const some = ['prototype', 'unknown', 'inferred'].map((status) => users.find((u) => u.status === status)!)
    const answers = await lines(['lookup', ...some.map(({ user_id }) => user_id), ...at()])
    for (const [n, { user_id, status, version, personas, primary, method }] of some.entries()) {
      const { personas: held, ...answer } = answers[n]! as UserLine & { missing?: string }
      assert.deepEqual(pick(answer, ['user_id', 'status', 'version', 'primary', 'method']), {
        user_id,
        status,
        version,
        primary,
        method,
      })
      assert.deepEqual(
        held.map(({ persona, since }) => ({ persona, since })),
        personas.map(({ persona, since }) => ({ persona, since })),
      )
      assert.equal(answer.missing !== undefined, status === 'unknown')
    }
    const { code, stdout } = await run(['lookup', some[0]!.user_id, 'nobody', '', ...at(), '--json'])
    assert.equal(code, 1)
    assert.deepEqual(
      parseLines<{ status: string }>(stdout).map(({ status }) => status),
      ['prototype', 'never seen', 'never seen'],
    )
    const text = await run(['lookup', 'nobody', ...at()])
    assert.deepEqual([text.code, text.stdout], [1, 'nobody: never seen\n'])
  })

  it('verify, doctor, config, migrate and the lists speak JSON and nothing else', async () => {
    const verified = await json(['verify', ...at()])
    for (const key of verifyKeys) assert.ok(key in verified, key)
    assert.deepEqual(
      pick(verified, ['users', 'products', 'score_mismatches', 'vector_mismatches', 'list_mismatches']),
      {
        users: summary.users,
        products: summary.products,
        score_mismatches: 0,
        vector_mismatches: 0,
        list_mismatches: 0,
      },
    )
    const { checks } = await json<{ checks: { name: string; status: string; detail: string }[] }>([
      'doctor',
      ...at(),
    ])
    assert.ok(checks.every(({ status }) => status === 'ok' || status === 'warn'))
    const settings = await lines<{ variable: string; value: unknown }>(['config'])
    assert.ok(settings.some(({ variable, value }) => variable === 'KINDRED_KAPPA' && value === 3000))
    assert.deepEqual(await json(['migrate', ...at()]), {
      from: schemaVersion,
      to: schemaVersion,
      migrated: false,
    })
    assert.deepEqual(await lines(['quarantine', 'list', ...at()]), [])
    const listed = await lines<Label>(['prototypes', 'list', ...at()])
    assert.deepEqual(new Set(listed.map(({ user_id }) => user_id)), new Set(labels.keys()))
  })

  it('demo speaks JSON too, and leaves nothing behind', () =>
    withDirectory(async (own) => {
      const report = await json(['demo', '--shoppers', '60'], { env: { TMPDIR: own } })
      assert.ok(Number(report.events) > 0 && Number(report.accuracy) >= 0)
      assert.deepEqual(readdirSync(own), [])
      const { code, stdout } = await run(['demo', '--shoppers', 'many'])
      assert.deepEqual([code, stdout], [2, ''])
    }))
})

function assertUser(user: UserLine, label: Label | undefined): void {
  const held = user.personas.map(({ persona }) => persona)
  const sum = Object.values(user.scores).reduce((total, share) => total + share, 0)
  assert.deepEqual(Object.keys(user.probabilities), Object.keys(user.scores))
  if (label !== undefined) {
    const { personas } = label
    const expected: Record<string, number> = Array.isArray(personas)
      ? Object.fromEntries(personas.map((name) => [name, 1 / personas.length]))
      : personas
    assert.deepEqual([user.status, user.method], ['prototype', 'label'])
    assert.deepEqual(new Set(held), new Set(Object.keys(expected)))
    for (const { persona, probability } of user.personas)
      assert.ok(Math.abs(probability - expected[persona]!) < 1e-5)
  } else if (user.status === 'unknown') {
    assert.deepEqual([user.landing_mass, user.scores, held, user.primary], [0, {}, [], null])
  } else {
    assert.equal(user.status, 'inferred')
    assert.ok(user.landing_mass > 0 && user.landing_mass <= 1)
    assert.ok(Math.abs(sum - 1) < 1e-9)
    for (const { persona, probability } of user.personas) assert.equal(probability, user.scores[persona])
  }
  assert.equal(user.primary, held[0] ?? null)
  for (const { since } of user.personas) assert.equal(new Date(since).toISOString(), since)
}

/** All of `keys`, in order, and beside them none but `extras`. */
function assertKeys(value: object, keys: readonly string[], extras: readonly string[]): void {
  const own = Object.keys(value)
  assert.deepEqual(
    own.filter((key) => !extras.includes(key)),
    keys,
  )
}

function pick(value: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, (value as Record<string, unknown>)[name]]))
}
