// A store that is migrated, removed or replaced below whoever reads it is another one.
import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { closeLmdb } from '../../src/lmdb/open.ts'
import { commitHere } from '../../src/store/lmdb/commit.ts'
import { landed, openEnvironment, sealed, writeMeta } from '../../src/store/lmdb/environment.ts'
import { sameStore } from '../../src/store/lmdb/same-store.ts'
import { withDirectory } from '../support/command.ts'

describe('an open store', () => {
  it('is the same until it is migrated, removed, or another lies there', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'state')
      const options = { settings: {}, mapSizeBytes: 2 ** 26 }
      const environment = openEnvironment({ ...options, path })
      const replaced = sameStore(environment, path)
      const write = (name: string, value: unknown) => {
        writeMeta(environment, name, value)
        commitHere(environment.env, path).commit(sealed(environment))
        landed(environment)
      }
      write('counters', {})
      assert.equal(replaced(), undefined)
      write('schema', 99)
      assert.match(replaced() ?? '', /migrated to schema 99/)
      await rename(path, join(dir, 'before'))
      assert.match(replaced() ?? '', /removed or replaced/)
      const other = openEnvironment({ ...options, path })
      assert.match(replaced() ?? '', /removed or replaced/)
      await closeLmdb(other.env)
      await closeLmdb(environment.env)
    }))
})
