// Control records from the API: durable before they are answered, waited for but not for ever, hidden from then on.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { Controls } from '../../src/controls.ts'
import { LockedError, TransientError } from '../../src/errors.ts'
import { cacheFile, labellingDir } from '../../src/labelling/files.ts'
import { lockLabelling } from '../../src/labelling-lock.ts'
import { openMemoryStore } from '../../src/store/memory/memory-store.ts'
import type { Store } from '../../src/store/port.ts'
import { makeDirectory, removeDirectory } from '../support/command.ts'
import { until } from '../support/wait.ts'

type Bench = {
  readonly controls: Controls
  readonly dir: string
  /** Records that were appended; applied when `apply` is called. */
  readonly appended: string[]
  apply(): void
  full: boolean
  failure: Error | undefined
}

async function withControls(work: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = makeDirectory()
  const store: Store = openMemoryStore({ dedupeHorizon: 10 })
  const appended: string[] = []
  const bench = {
    dir,
    appended,
    full: false,
    failure: undefined as Error | undefined,
    apply: () => store.transact((tx) => tx.setWatermark('log', appended.length)),
  }
  await using controls = new Controls({
    dir,
    config: configFrom({}),
    store,
    logName: 'log',
    async append({ records }) {
      if (bench.failure !== undefined) throw bench.failure
      const first = appended.length
      appended.push(...records.map((record) => Buffer.from(record).toString('utf8')))
      return { first, next: appended.length }
    },
    full: () => bench.full,
    now: () => 0,
  })
  try {
    await work(Object.assign(bench, { controls }))
  } finally {
    removeDirectory(dir)
  }
}

describe('controls', () => {
  it('an erasure that nobody applies is answered all the same, and hides the user until it is applied', () =>
    withControls(async ({ controls, appended, apply }) => {
      const began = performance.now()
      const asked = controls.erase('amy')
      assert.equal(controls.erasing('amy'), true, 'from the first moment')
      const receipt = await asked
      assert.ok(performance.now() - began < 10_000)
      assert.deepEqual([receipt.erased, receipt.position, receipt.known], [false, 0, false])
      assert.deepEqual(appended, ['{"kind":"erase","userId":"amy"}'])
      assert.deepEqual([controls.erasing('amy'), controls.erasing('bob')], [true, false])
      apply()
      await until('it is applied', () => !controls.erasing('amy'))
    }))

  it('two erasures of one user hide them until both are applied', () =>
    withControls(async ({ controls, apply }) => {
      const [first] = await Promise.all([
        controls.erase('amy'),
        until('one is appended', () => controls.erasing('amy')).then(apply),
      ])
      assert.equal(first.erased, true)
      assert.equal(controls.erasing('amy'), false)
      const second = controls.erase('amy')
      assert.equal(controls.erasing('amy'), true)
      await second
      assert.equal(controls.erasing('amy'), true)
    }))

  it('what cannot be written leaves nothing behind, and says that it may go later', () =>
    withControls(async (bench) => {
      const { controls, dir } = bench
      mkdirSync(labellingDir(dir))
      bench.failure = new Error('no space left')
      await assert.rejects(
        controls.erase('amy'),
        (error) => error instanceof TransientError && /no space/.test(error.message),
      )
      bench.failure = undefined
      bench.full = true
      await assert.rejects(controls.erase('amy'), TransientError)
      assert.equal(controls.erasing('amy'), false)
      lockLabelling(dir, 'a test').release()
    }))

  it('reaches what labelling keeps, whose lock it holds until the record is applied', () =>
    withControls(async ({ controls, dir, apply }) => {
      mkdirSync(labellingDir(dir))
      const entries = [
        { key: '1', users: ['amy'] },
        { key: '2', users: ['bob'] },
      ].map((entry) => JSON.stringify(entry))
      writeFileSync(cacheFile(labellingDir(dir)), `${entries.join('\n')}\n`)
      const both = [controls.erase('amy'), controls.erase('amy')]
      assert.equal(readFileSync(cacheFile(labellingDir(dir)), 'utf8'), `${entries[1]}\n`)
      assert.throws(() => lockLabelling(dir, 'a test'), LockedError)
      await until('both are appended', async () => controls.erasing('amy'))
      setTimeout(apply, 50)
      assert.deepEqual(
        (await Promise.all(both)).map(({ erased }) => erased),
        [true, true],
      )
      lockLabelling(dir, 'a test').release()
    }))

  it('is refused while labelling runs, and erases nothing', () =>
    withControls(async ({ controls, dir, appended }) => {
      mkdirSync(labellingDir(dir))
      const lock = lockLabelling(dir, 'prototypes label')
      await assert.rejects(
        controls.erase('amy'),
        (error) => error instanceof LockedError && /prototypes label/.test(error.message),
      )
      assert.deepEqual([appended, controls.erasing('amy')], [[], false])
      lock.release()
    }))

  it('of a record that is not in quarantine there is nothing to try', () =>
    withControls(async ({ controls, appended }) => {
      assert.equal(await controls.requeue(5), undefined)
      assert.deepEqual(appended, [])
    }))
})
