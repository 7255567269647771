// What keeps an installation well: the schema and settings of the data, doctor, and quarantined records tried again.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import type { ProductIndex, UserIndex } from '../../src/core/ids.ts'
import { openLmdb } from '../../src/lmdb/open.ts'
import { openProfiler } from '../../src/profiler.ts'
import { writeMeta } from '../../src/store/lmdb/environment.ts'
import { schemaVersion } from '../../src/store/lmdb/layout.ts'
import type { LmdbStore } from '../../src/store/lmdb/lmdb-store.ts'
import { json, lines, run, succeed, withDirectory } from '../support/command.ts'
import { eventOf, ndjsonOf, purchases } from '../support/events.ts'
import { assertSound } from '../support/exports.ts'

const config = configFrom({})

describe('data of another Kindred', () => {
  for (const [what, schema, says] of [
    ['a newer', schemaVersion + 1, /newer.*update Kindred/],
    ['an older', 0, /kindred migrate|no migration/],
  ] as const)
    it(`of ${what} schema is refused by every command, which say what to do, and not changed`, () =>
      withDirectory(async (dir) => {
        await filled(dir)
        await crafted(dir, (store) => store.transact(() => writeMeta(store.environment, 'schema', schema)))
        const commands = [['lookup', 'u0'], ['replay', '-'], ['migrate']]
        for (const args of commands) {
          const { code, stdout, stderr } = await run([...args, '--data', dir])
          assert.deepEqual([code, stdout], [1, ''], args.join(' '))
          assert.match(stderr, says, args.join(' '))
          assert.match(stderr, /^kindred: [^\n]+\n$/)
        }
      }))

  it('or of a writer that is just making it is no data directory yet', () =>
    withDirectory(async (dir) => {
      await openLmdb({ path: join(dir, 'state'), mapSizeBytes: 2 ** 24 }).close()
      const { code, stderr } = await run(['lookup', 'u0', '--data', dir])
      assert.equal(code, 1)
      assert.match(stderr, /^kindred: [^\n]* is not a data directory of Kindred[^\n]*--data\n$/)
    }))

  it('of other settings is refused, naming the setting and both values', () =>
    withDirectory(async (dir) => {
      await filled(dir)
      for (const [variable, value] of [
        ['KINDRED_KAPPA', '1000'],
        ['KINDRED_WEIGHTS_REPEAT', 'sum'],
      ] as const) {
        const { code, stderr } = await run(['verify', '--data', dir], { env: { [variable]: value } })
        assert.equal(code, 1)
        assert.match(stderr, new RegExp(`^kindred: .* was made with .* asked for ${value}: [^\\n]+\\n$`))
      }
      await succeed(['verify', '--data', dir], { env: { KINDRED_KAPPA: '3000', KINDRED_PORT: '1' } })
    }))
})

describe('doctor', () => {
  const statusOf = async (dir: string, env = {}) => {
    const { code, stdout } = await run(['doctor', '--data', dir, '--json'], { env })
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; detail: string }[] }
    const find = (name: string) => checks.find((check) => check.name === name)
    return { code, find, statuses: Object.fromEntries(checks.map(({ name, status }) => [name, status])) }
  }

  it('finds a healthy installation healthy, says what is missing, and what is amiss', () =>
    withDirectory(async (dir) => {
      await filled(dir)
      const { code, find, statuses } = await statusOf(dir)
      assert.equal(code, 0)
      assert.equal(statuses.data, 'ok')
      assert.match(find('prototypes')!.detail, /kindred prototypes import/)
      assert.match(find('writer')!.detail, /none/)
      await succeed(['replay', '-', '--data', dir], { stdin: 'not an event\n' })
      const after = await statusOf(dir)
      assert.equal(after.statuses.quarantine, 'warn')
      assert.match(after.find('quarantine')!.detail, /1 records?: .*quarantine list/)
    }))

  it('warns when the map is nearly full', () =>
    withDirectory(async (dir) => {
      const large = purchases(2500, { note: 'x'.repeat(5000) })
      await succeed(['replay', '-', '--data', dir], { stdin: ndjsonOf(large) })
      const { code, find } = await statusOf(dir, { KINDRED_MAP_SIZE_GB: '0.01' })
      assert.equal(code, 0)
      assert.equal(find('log map')?.status, 'warn')
      assert.match(find('log map')!.detail, /KINDRED_MAP_SIZE_GB/)
    }))

  it('fails where there is no data', () =>
    withDirectory(async (dir) => {
      const { code, find } = await statusOf(join(dir, 'none'))
      assert.equal(code, 1)
      assert.deepEqual([find('data')?.status, find('node')?.status], ['fail', 'ok'])
      const text = await run(['doctor', '--data', join(dir, 'none')])
      assert.match(text.stdout, /^fail {2}data: .*kindred replay/m)
    }))
})

describe('quarantine replay', () => {
  it('applies a record that can be applied by now; one that cannot stays', () =>
    withDirectory(async (dir) => {
      await filled(dir)
      // a net quantity next to the greatest there is: as if the edge had been bought for ages
      await crafted(dir, (store) =>
        store.transact((tx) => {
          const [user, product] = [tx.userIndexOf('u0') as UserIndex, tx.productIndexOf('p0') as ProductIndex]
          tx.putEdge(user, product, { ...tx.edge(user, product)!, net: Number.MAX_SAFE_INTEGER - 10 }, 1000)
        }),
      )
      const on = { user_id: 'u0', product_id: 'p0' }
      const bought = [
        eventOf({ ...on, event_id: 'too much', quantity: 100 }),
        eventOf({ event_id: 'bad', ts: '?' }),
        eventOf({ ...on, event_id: 'back', type: 'return', quantity: 200 }),
      ]
      const { applied, quarantined } = await json(['replay', '-', '--data', dir], { stdin: ndjsonOf(bought) })
      assert.deepEqual([applied, quarantined], [1, 2])
      const listed = await lines<{ id: number; cause: string; text: string }>([
        'quarantine',
        'list',
        '--data',
        dir,
      ])
      assert.match(listed[0]!.cause, /net quantity/)
      assert.equal(listed[0]!.text, JSON.stringify(bought[0]))
      assert.deepEqual(await json(['quarantine', 'replay', '--all', '--data', dir]), {
        tried: 2,
        released: 1,
        still_quarantined: 1,
      })
      const [edge] = await lines<{ net_quantity: number }>(['export', 'graph', '--data', dir])
      assert.equal(edge!.net_quantity, Number.MAX_SAFE_INTEGER - 110)
      const again = await json(['replay', '-', '--data', dir], { stdin: ndjsonOf(bought) })
      assert.deepEqual([again.duplicates, again.quarantined], [2, 1], 'what was released is remembered')
      await assertSound(dir)
    }))

  it('takes the ids that list shows, and says what it takes', () =>
    withDirectory(async (dir) => {
      await succeed(['replay', '-', '--data', dir], { stdin: 'one\ntwo\n' })
      const place = ['--data', dir]
      for (const [args, says] of [
        [[], /name the ids to try again, or --all/],
        [['one'], /numbers that `quarantine list` shows/],
        [['0', '7'], /not in quarantine: 7/],
      ] as const) {
        const { code, stderr } = await run(['quarantine', 'replay', ...args, ...place])
        assert.equal(code, 2, args.join(' '))
        assert.match(stderr, says)
      }
      const tried = await json(['quarantine', 'replay', '1', ...place])
      assert.deepEqual(tried, { tried: 1, released: 0, still_quarantined: 2 })
    }))
})

async function filled(dir: string): Promise<void> {
  await succeed(['replay', '-', '--data', dir], { stdin: ndjsonOf(purchases(10)) })
}

/** Changes the store from within, as no command does. */
async function crafted(dir: string, change: (store: LmdbStore) => void): Promise<void> {
  await using profiler = openProfiler({ dir, config, role: 'test' })
  change(profiler.store)
  await profiler.store.flushed()
}
