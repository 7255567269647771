// Readers that were killed: what they were reading keeps pages from being used again until they are given back.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { RootDatabase } from 'lmdb'
import {
  closeLmdb,
  dropDeadReaders,
  mapUseOf,
  openLmdb,
  openNumbered,
  transact,
} from '../../src/lmdb/open.ts'
import { withDirectory } from '../support/command.ts'

const helper = fileURLToPath(new URL('../support/lmdb-process.js', import.meta.url))
const rowsCount = 200
const rowBytes = 10_000
const rounds = 50

describe('a reader that was killed', () => {
  it('keeps the store growing until it is given back, and not after', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'env')
      const env = openLmdb({ path, mapSizeBytes: 1 << 30 })
      const rows = openNumbered(env, 'rows')
      const rewrite = () => {
        for (let round = 0; round < rounds; round++)
          transact(env, () => {
            for (let row = 0; row < rowsCount; row++) rows.put(row, Buffer.alloc(rowBytes, round))
          })
      }
      rewrite()
      const reader = fork(helper, [path, 'read'])
      await once(reader, 'message')
      reader.kill('SIGKILL')
      await once(reader, 'exit')
      assert.ok(readersOf(env).includes(String(reader.pid)))
      const grown = usedBy(env, rewrite)
      assert.ok(grown > (rounds / 2) * rowsCount * rowBytes, `${grown} bytes`)
      dropDeadReaders(env)
      assert.ok(!readersOf(env).includes(String(reader.pid)))
      assert.ok(usedBy(env, rewrite) < grown / 10)
      await closeLmdb(env)
    }))
})

function readersOf(env: RootDatabase): string {
  return (env as unknown as { readerList(): string }).readerList()
}

/** Bytes by which the environment grows. */
function usedBy(env: RootDatabase, work: () => void): number {
  const before = mapUseOf(env).used
  work()
  return mapUseOf(env).used - before
}
