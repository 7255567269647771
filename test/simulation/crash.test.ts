// I5: a replay killed again and again at any moment applies every event once, and tells every change at least once.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, type Random } from '../../src/demo/random.ts'
import type { Counters } from '../../src/store/port.ts'
import { fold, foldedExport, withoutRepeats } from '../support/change-fold.ts'
import { json, start, succeed, withDirectory } from '../support/command.ts'
import { countersIn } from '../support/exports.ts'
import { assertSameLines } from '../support/same-lines.ts'
import { type ShopFiles, shopLines, writeShop } from '../support/shop-files.ts'

const events = 20_000
/** Kills between the start of the process and the import's first change events, and spread over the rest. */
const killsAtStart = 7
const killsUnderWay = 25
const killsMin = 30
const seed = 20250117

type Place = ShopFiles & { readonly data: string; readonly changes: string }
type Result = {
  readonly users: string
  readonly products: string
  readonly changes: string
  readonly counters: Readonly<Counters>
}

describe('I5 a replay killed at any moment', () => {
  it(`ends as one that nobody disturbed, after ${killsMin} kills`, () =>
    withDirectory(async (dir) => {
      const files = writeShop(dir, await shopLines(events))
      const calm: Place = { ...files, data: join(dir, 'calm'), changes: join(dir, 'calm.ndjson') }
      const { firstChangeMs, applied } = await undisturbed(calm)
      assert.equal(applied, events)
      const expected = await resultOf(calm)

      const killed: Place = { ...files, data: join(dir, 'killed'), changes: join(dir, 'killed.ndjson') }
      const kills = await killAgainAndAgain(killed, { firstChangeMs, bytes: expected.changes.length })
      assert.ok(kills >= killsMin, `${kills} kills hit a running process`)
      await succeed(replayOf(killed))
      await assertSame(killed, expected)
      assert.deepEqual(leftToDo(await json(replayOf(killed))), { events: 0, changes: 0 })
      await assertSame(killed, expected)
    }))
})

function replayOf({ events, prototypes, data, changes }: Place): string[] {
  const files = ['--prototypes', prototypes, '--changes', changes]
  return ['replay', events, '--data', data, '--batch-size', '64', ...files]
}

async function undisturbed(place: Place): Promise<{ firstChangeMs: number; applied: number }> {
  const started = performance.now()
  const { ended } = start([...replayOf(place), '--json'])
  while (sizeOf(place.changes) === 0) await sleep(5)
  const firstChangeMs = performance.now() - started
  const { stdout } = await ended
  return { firstChangeMs, applied: (JSON.parse(stdout) as { applied: number }).applied }
}

/** Kills replay after replay: at random times while it starts, then once the change file has grown past random sizes. */
async function killAgainAndAgain(
  place: Place,
  { firstChangeMs, bytes }: { firstChangeMs: number; bytes: number },
): Promise<number> {
  const random = createRandom(seed)
  const delays = sorted(random, killsAtStart).map((share) => firstChangeMs * (0.2 + share))
  const sizes = sorted(random, killsUnderWay).map((share) => bytes * share)
  let kills = 0
  for (const delay of delays) kills += await killAfter(place, () => sleep(delay))
  for (const size of sizes)
    kills += await killAfter(place, async (running) => {
      while (running() && sizeOf(place.changes) <= size) await sleep(2)
      await sleep(random.integer(25))
    })
  return kills
}

/** 1 when the process still ran when it was killed. */
async function killAfter(place: Place, moment: (running: () => boolean) => Promise<void>): Promise<number> {
  const { child, ended } = start(replayOf(place))
  await moment(() => child.exitCode === null)
  child.kill('SIGKILL')
  const { code, signal, stderr } = await ended
  assert.ok(signal === 'SIGKILL' || code === 0, `a resumed replay ended with ${code}: ${stderr}`)
  return signal === 'SIGKILL' ? 1 : 0
}

async function resultOf(place: Place): Promise<Result> {
  const [users, products] = await Promise.all(
    ['users', 'products'].map((what) => succeed(['export', what, '--data', place.data])),
  )
  return {
    users: users!,
    products: products!,
    changes: readFileSync(place.changes, 'utf8'),
    counters: (await countersIn(place.data))!,
  }
}

async function assertSame(place: Place, expected: Result): Promise<void> {
  const { users, products, changes, counters } = await resultOf(place)
  assertSameLines(users, expected.users, 'users')
  assertSameLines(products, expected.products, 'products')
  assert.deepEqual(counters, expected.counters, 'counters: no event was applied twice')
  const told = withoutRepeats(changes)
  assertSameLines(told, withoutRepeats(expected.changes), 'change events')
  assert.deepEqual(fold(told), foldedExport(users), 'I6: changes folded are the exported answers')
  await succeed(['verify', '--data', place.data])
}

function leftToDo({ events, changes }: Record<string, unknown>): object {
  return { events, changes }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

function sorted(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.uniform()).sort((a, b) => a - b)
}
