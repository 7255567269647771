// Migration of schema 1: data as that version left it gives the same exports after, is sound, and takes further events.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import type { UserIndex } from '../../src/core/ids.ts'
import { openLmdb, openNamed, openNumbered } from '../../src/lmdb/open.ts'
import { openReader } from '../../src/profiler.ts'
import { pair } from '../../src/store/lmdb/layout.ts'
import { newNeighbours } from '../../src/store/port.ts'
import { json, run, succeed, withDirectory } from '../support/command.ts'
import { assertSameExports, assertSound, exportsIn } from '../support/exports.ts'
import { shopLines, writeShop } from '../support/shop-files.ts'

describe('data of schema 1', () => {
  it('is refused until it is migrated, and then the same', () =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, await shopLines(4000))
      const data = join(dir, 'data')
      await succeed(['replay', files.events, '--data', data, '--prototypes', files.prototypes])
      const expected = await exportsIn(data)
      await asSchema1(data)
      for (const args of [
        ['lookup', 'u0'],
        ['replay', files.events],
      ]) {
        const { code, stderr } = await run([...args, '--data', data])
        assert.equal(code, 1)
        assert.match(stderr, /has schema 1, this version reads 4: .*kindred migrate/)
      }
      await succeed(['migrate', '--data', data])
      await assertSound(data)
      assertSameExports(await exportsIn(data), expected)
      assert.equal((await json(['replay', files.events, '--data', data])).events, 0)
    }))
})

const settingsSince3 = ['calibrationMin', 'enterProbability', 'exitRatio', 'sweepUsers', 'contentHead']

type OldEdge = { key: number; row: Buffer }

/** Writes edges and products' heads as schema 1 had them: an edge a row of 44 bytes, a head a row. */
async function asSchema1(data: string): Promise<void> {
  const config = configFrom({})
  const store = openReader({ dir: data, config })
  const users = [...store.users()]
  const slots = new Map<number, { user: number; product: number }>()
  const list = newNeighbours()
  for (const user of users) {
    store.productsOf(user, list)
    for (let slot = 0; slot < list.length; slot++)
      slots.set(pair(user, list.ids[slot]!), { user: slot, product: 0 })
  }
  const heads: { product: number; row: Buffer }[] = []
  for (const product of store.products()) {
    store.buyersOf(product, list)
    for (let slot = 0; slot < list.length; slot++) slots.get(pair(list.ids[slot]!, product))!.product = slot
    if (list.length > 0) heads.push({ product, row: headOf(list) })
  }
  const edges = users.flatMap((user) => oldEdgesOf(store.edgesOf(user), { user, slots }))
  await store.close()
  const env = openLmdb({ path: join(data, 'state'), mapSizeBytes: 2 ** 30 })
  env.transactionSync(() => {
    const before = openNumbered(env, 'edges')
    for (const { key, row } of edges) before.put(key, row)
    const lists = openNumbered(env, 'product_users')
    for (const key of [...lists.getKeys({ start: 0, end: 2 ** 26 })]) lists.remove(key)
    for (const { product, row } of heads) lists.put(product, row)
    openNumbered(env, 'user_edges').clearSync()
    const meta = openNamed(env, 'meta')
    const settings = JSON.parse(meta.get('settings')!.toString('utf8')) as Record<string, unknown>
    for (const name of settingsSince3) delete settings[name]
    meta.put('settings', Buffer.from(JSON.stringify(settings)))
    meta.put('schema', Buffer.from('1'))
  })
  await env.close()
}

function headOf({ length, ids, weights }: ReturnType<typeof newNeighbours>): Buffer {
  const start = length - (length % 16)
  const row = Buffer.alloc(4 + (length - start) * 6)
  row.writeUInt32LE(length, 0)
  for (let slot = start; slot < length; slot++) {
    row.writeUInt32LE(ids[slot]!, 4 + (slot - start) * 6)
    row.writeUInt16LE(weights[slot]!, 8 + (slot - start) * 6)
  }
  return row
}

function oldEdgesOf(
  edges: ReturnType<ReturnType<typeof openReader>['edgesOf']>,
  { user, slots }: { user: UserIndex; slots: Map<number, { user: number; product: number }> },
): OldEdge[] {
  return Array.from(edges, ({ product, edge }) => {
    const at = slots.get(pair(user, product)) ?? { user: 2 ** 32 - 1, product: 2 ** 32 - 1 }
    const row = Buffer.alloc(44)
    row.writeDoubleLE(edge.net, 0)
    row.writeDoubleLE(edge.firstTs, 8)
    row.writeDoubleLE(edge.lastTs, 16)
    row.writeUInt32LE(edge.views, 24)
    row.writeUInt32LE(edge.carts, 28)
    row.writeUInt32LE(edge.reviews, 32)
    row.writeUInt32LE(at.user, 36)
    row.writeUInt32LE(at.product, 40)
    return { key: pair(user, product), row }
  })
}
