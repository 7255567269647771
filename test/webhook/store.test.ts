// Webhooks on disk: a transaction is whole or nothing, what is gone leaves no rows, and a copy holds all of it.
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Subscription } from '../../src/codec/webhook-subscription.ts'
import { deliveryKey, hasWebhooks, WebhookStore } from '../../src/sink/webhook/store.ts'
import { withDirectory } from '../support/command.ts'

const mapSizeBytes = 1 << 26

function subscription(id: string): Subscription {
  return {
    id,
    url: 'https://crm.example/',
    filter: {},
    format: 'kindred',
    active: true,
    secrets: [],
    created_at: '2026-01-01T00:00:00.000Z',
    from: 0,
    replays: 0,
  }
}

function deliveryOf(number: number, user: string) {
  return {
    number,
    part: -1,
    user_id: user,
    event_id: `pc_${number}`,
    json: JSON.stringify({ user_id: user }),
    queued_at: 0,
    attempts: 0,
    due_at: 0,
  }
}

async function withStore(work: (store: WebhookStore, dir: string) => Promise<void> | void): Promise<void> {
  await withDirectory(async (dir) => {
    assert.equal(hasWebhooks(dir), false)
    const store = new WebhookStore({ dir, mapSizeBytes })
    try {
      store.transact(() => {
        for (const id of ['wh_a', 'wh_b']) store.putSubscription(subscription(id))
        for (let n = 0; n < 5; n++)
          for (const id of ['wh_a', 'wh_b'])
            store.addDelivery(deliveryKey(id, { number: n, part: -1 }), deliveryOf(n, `u${n % 2}`))
      })
      await work(store, dir)
    } finally {
      await store.close()
    }
  })
}

/** That a directory with data, and each file in it, may be used by its owner alone. */
function assertClosed(path: string): void {
  const modeOf = (name: string) => (statSync(join(path, name)).mode & 0o777).toString(8)
  const names = readdirSync(path)
  assert.ok(names.includes('data.mdb'), names.join())
  assert.equal(modeOf('.'), '700', path)
  for (const name of names) assert.equal(modeOf(name), '600', name)
}

const numbersOf = (store: WebhookStore, id: string) => [...store.queue(id)].map(({ number }) => number)

describe('the store of webhooks', () => {
  it('takes a transaction whole or not at all, its counts too', () =>
    withStore((store) => {
      const { revision } = store
      assert.throws(
        () =>
          store.transact(() => {
            store.takeDelivery(deliveryKey('wh_a', { number: 0, part: -1 }))
            store.putSubscription(subscription('wh_c'))
            store.next = 7
            throw new Error('no')
          }),
        /^Error: no$/,
      )
      assert.deepEqual(numbersOf(store, 'wh_a'), [0, 1, 2, 3, 4])
      assert.deepEqual([store.counts('wh_a').queued, store.next, store.revision], [5, undefined, revision])
      assert.equal(store.subscription('wh_c'), undefined)
      const seed = store.seed()
      assert.equal(store.seed(), seed)
    }))

  it('keeps rows in the order of their numbers, and counts what comes and goes once', () =>
    withStore((store) => {
      const key = (number: number, part = -1) => deliveryKey('wh_a', { number, part })
      store.transact(() => {
        for (const number of [100, 9, 10, 2 ** 40]) store.addDelivery(key(number), deliveryOf(number, 'v'))
        assert.equal(store.takeDelivery(key(3))?.number, 3)
        assert.equal(store.takeDelivery(key(3)), undefined)
        store.updateDelivery(key(3), { attempts: 1 })
        for (let n = 0; n < 2; n++)
          store.addLetter(key(3), { ...deliveryOf(3, 'u1'), reason: 'expired', died_at: 0 })
      })
      assert.deepEqual(numbersOf(store, 'wh_a'), [0, 1, 2, 4, 9, 10, 100, 2 ** 40])
      assert.ok(key(1) < key(1, 0) && key(1, 0) < key(1, 11) && key(1, 255) < key(2))
      const { queued, dead_letters } = store.counts('wh_a')
      assert.deepEqual([queued, dead_letters], [8, 1])
      store.transact(() => assert.equal(store.removeUsers(new Set(['u1'])).length, 3))
      assert.deepEqual([store.counts('wh_a').dead_letters, numbersOf(store, 'wh_b')], [0, [0, 2, 4]])
    }))

  it('purges what is of no subscription, a bounded piece at a time', () =>
    withStore((store) => {
      store.transact(() => store.removeSubscription('wh_a'))
      const pieces: boolean[] = []
      do pieces.push(store.transact(() => store.purge(2)))
      while (pieces.at(-1) === true)
      assert.deepEqual(pieces, [true, true, false])
      assert.deepEqual([numbersOf(store, 'wh_a'), numbersOf(store, 'wh_b').length], [[], 5])
    }))

  it('is for its owner alone: when it is made, copied, or found open to others', () =>
    withDirectory(async (dir) => {
      const copied = join(dir, 'copy')
      const store = new WebhookStore({ dir, mapSizeBytes })
      await store.backup(copied)
      assertClosed(store.path)
      assertClosed(join(copied, 'webhooks'))
      await store.close()
      chmodSync(store.path, 0o755)
      for (const name of readdirSync(store.path)) chmodSync(join(store.path, name), 0o644)
      const again = new WebhookStore({ dir, mapSizeBytes })
      assertClosed(again.path)
      await again.close()
    }))

  it('is copied whole', () =>
    withStore(async (store, dir) => {
      const target = join(dir, 'copy')
      await store.backup(target)
      assert.ok(hasWebhooks(target))
      const copy = new WebhookStore({ dir: target, mapSizeBytes })
      assert.deepEqual(copy.subscriptions(), store.subscriptions())
      assert.deepEqual([...copy.queue('wh_b')], [...store.queue('wh_b')])
      await copy.close()
    }))
})
