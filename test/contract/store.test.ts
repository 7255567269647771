// The store's contract, for both adapters; and that they answer alike.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { Store } from '../../src/store/port.ts'
import { until } from '../support/wait.ts'
import { describeStoreContract } from './store-contract.ts'
import { dumpOf } from './store-dump.ts'
import { contractDedupeHorizon, type OpenedStore, undone, withStore } from './store-fixtures.ts'
import { batchesArbitrary, runOperations } from './store-operations.ts'

describeStoreContract('in memory', async () => {
  const store = openMemoryStore({ dedupeHorizon: contractDedupeHorizon })
  return { store, close: () => store.close() }
})

describeStoreContract('LMDB', openLmdb)

// every store starts a thread: the parts where it matters when a change is committed
const threadedParts = ['edges and slot lists', 'stream', 'topics and sinks', 'transactions']
describeStoreContract(
  'LMDB, commits in a thread',
  () => openLmdb({ commitThreadAfter: 0 }),
  (part) => threadedParts.includes(part),
)

describe('both adapters of the store', () => {
  it('answer alike, and hold the same after the same operations', () =>
    fc.assert(
      fc.asyncProperty(batchesArbitrary, (batches) =>
        withStore(openLmdb, async ({ store }) => {
          const memory = openMemoryStore({ dedupeHorizon: contractDedupeHorizon })
          for (const { all, undo } of batches) {
            const [answers, inMemory] = [store, memory].map((one) =>
              undo
                ? undone(one, (tx) => runOperations(tx, all))
                : one.transact((tx) => runOperations(tx, all)),
            )
            assert.deepEqual(answers, inMemory)
            assert.deepEqual(dumpOf(store), dumpOf(memory))
          }
        }),
      ),
      { numRuns: 25 },
    ))
})

async function openLmdb({ commitThreadAfter }: { commitThreadAfter?: number } = {}): Promise<OpenedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-store-'))
  let store = await openIn(directory, commitThreadAfter)
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await openIn(directory, commitThreadAfter)
      return store
    },
    close: async () => {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function openIn(directory: string, commitThreadAfter: number | undefined): Promise<Store> {
  const store = openLmdbStore({
    path: join(directory, 'state'),
    settings: { delta: 0.02, repeat: 'once' },
    mapSizeBytes: 2 ** 30,
    dedupeHorizon: contractDedupeHorizon,
    commitThreadAfter,
  })
  if (commitThreadAfter === undefined) return store
  store.transact(() => undefined)
  await until('commits are made in a thread', () => store.commitsInThread())
  return store
}
