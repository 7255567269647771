// What one process commits is not lost when others open the environment meanwhile (LMDB's ITS#9496). Found by polling a store
// that took over on Kafka: there two runs of two lost commits.
import assert from 'node:assert/strict'
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { closeLmdb, openLmdb, openNumbered } from '../../src/lmdb/open.ts'
import { Turns } from '../../src/lmdb/turns.ts'
import { withDirectory } from '../support/command.ts'

const openers = 4
const openings = 300
/** Long enough for a process that opens and does not wait. */
const heldMs = 4_000
const helper = fileURLToPath(new URL('../support/lmdb-process.js', import.meta.url))
const mapSizeBytes = 1 << 30

describe('opening and committing', () => {
  it('lose no commit to each other', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'env')
      await withWriter(path, async (writer) => {
        const readers = Array.from({ length: openers }, () =>
          fork(helper, [path, 'open', String(openings)], { silent: true }),
        )
        for (const [code] of await Promise.all(readers.map((reader) => once(reader, 'exit'))))
          assert.equal(code, 0)
        writer.send('stop')
        const [count] = (await once(writer, 'message')) as [number]
        assert.ok(count > openings / 10, `${count} commits`)
        const rows = await rowsIn(path)
        const lost = Array.from({ length: count }, (_, row) => row).filter((row) => !rows.has(row))
        assert.deepEqual(lost, [], `of ${count}`)
      })
    }))

  it('wait for each other', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'env')
      await withWriter(path, async (writer) => {
        const env = openLmdb({ path, mapSizeBytes })
        const rows = openNumbered(env, 'rows')
        const committed = () => {
          env.resetReadTxn()
          return rows.getKeysCount()
        }
        const openOnce = (timeout?: number) =>
          spawnSync(process.execPath, [helper, path, 'open', '1'], { timeout, encoding: 'utf8' })
        const turns = new Turns(path, false)
        turns.take(() => {
          const before = committed()
          const { status, stdout } = openOnce(heldMs)
          assert.equal(stdout, 'opening\n')
          assert.equal(status, null, 'an opening waits')
          assert.equal(committed(), before, 'a commit waits')
        })
        turns.close()
        assert.equal(openOnce().status, 0)
        writer.send('stop')
        const [count] = (await once(writer, 'message')) as [number]
        assert.equal(committed(), count)
        await closeLmdb(env)
      })
    }))
})

/** Runs `work` with a process that commits, which has ended after. */
async function withWriter(path: string, work: (writer: ChildProcess) => Promise<void>): Promise<void> {
  const writer = fork(helper, [path, 'commit'])
  try {
    await once(writer, 'message')
    await work(writer)
  } finally {
    writer.kill('SIGKILL')
  }
}

async function rowsIn(path: string): Promise<Set<number>> {
  const env = openLmdb({ path, mapSizeBytes })
  const rows = new Set(openNumbered(env, 'rows').getKeys({ start: 0, end: Number.MAX_SAFE_INTEGER }))
  await closeLmdb(env)
  return rows
}
