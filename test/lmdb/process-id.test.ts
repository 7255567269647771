// Two processes of one id (containers with ids of their own) must not read one environment: LMDB would give both one place.
// Found by looking up from two containers: one answered what was long past.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { tryLock } from 'fs-native-extensions'
import { closeLmdb, openLmdb } from '../../src/lmdb/open.ts'
import { withDirectory } from '../support/command.ts'

const helper = fileURLToPath(new URL('../support/lmdb-process.js', import.meta.url))
const elsewhere = process.platform !== 'linux' && 'process ids of their own are Linux’s'

describe('an environment', { skip: elsewhere }, () => {
  for (const taken of [true, false])
    it(`is ${taken ? 'refused to' : 'opened by'} a process whose id ${taken ? 'another has' : 'nobody has'}`, () =>
      withDirectory(async (dir) => {
        const path = join(dir, 'env')
        await closeLmdb(openLmdb({ path, mapSizeBytes: 1 << 30 }))
        const child = fork(helper, [path, 'ask'], { silent: true })
        let said = ''
        child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
        await once(child, 'message')
        const other = openSync(join(path, 'process-ids.lock'), 'a')
        assert.ok(tryLock(other, taken ? child.pid! : child.pid! + 1, 1))
        child.send('open')
        const [code] = await once(child, 'close')
        closeSync(other)
        assert.equal(code, taken ? 1 : 0, said)
        if (taken) assert.match(said, /another process with id \d+ .*--pid container/)
      }))

  it('may be opened several times by one process, whose threads count as it', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'env')
      const open = () => openLmdb({ path, mapSizeBytes: 1 << 30 })
      const [first, second] = [open(), open()]
      await closeLmdb(first)
      const third = open()
      await closeLmdb(second)
      await closeLmdb(third)
    }))
})
