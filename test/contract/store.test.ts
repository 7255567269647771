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
import { describeStoreContract } from './store-contract.ts'
import { dumpOf } from './store-dump.ts'
import { contractDedupeHorizon, type OpenedStore, undone, withStore } from './store-fixtures.ts'
import { batchesArbitrary, runOperations } from './store-operations.ts'

describeStoreContract('in memory', async () => {
  const store = openMemoryStore({ dedupeHorizon: contractDedupeHorizon })
  return { store, close: () => store.close() }
})

describeStoreContract('LMDB', openLmdb)

describeStoreContract('LMDB, commits in a thread', () => openLmdb({ commitInThread: true }))

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

async function openLmdb({ commitInThread = false } = {}): Promise<OpenedStore> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-store-'))
  let store = openIn(directory, commitInThread)
  return {
    store,
    reopen: async () => {
      await store.close()
      store = openIn(directory, commitInThread)
      return store
    },
    close: async () => {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function openIn(directory: string, commitInThread: boolean): Store {
  return openLmdbStore({
    path: join(directory, 'state'),
    settings: { delta: 0.02, repeat: 'once' },
    mapSizeBytes: 2 ** 30,
    dedupeHorizon: contractDedupeHorizon,
    commitInThread,
  })
}
