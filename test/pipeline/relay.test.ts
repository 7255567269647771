// The relay against a model: rows come, and some go before a sink has taken them (erased, or replayed from quarantine).
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { Relay } from '../../src/pipeline/relay.ts'
import type { DeadLetterSink, OutboxRow, Sink } from '../../src/sink/port.ts'
import type { StoreReader } from '../../src/store/port.ts'

type Step =
  | { readonly kind: 'add'; readonly count: number; readonly busy: boolean }
  | { readonly kind: 'remove'; readonly share: number }
  | { readonly kind: 'turns'; readonly count: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    count: fc.integer({ min: 1, max: 2_000 }),
    busy: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('remove' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 5 }) }),
)

/** Numbered rows of one feed, and what its sink has taken. */
function feed() {
  const rows = new Set<number>()
  const taken: number[] = []
  const sink = {
    name: 'model',
    next: 0,
    lingerMs: 2,
    async deliver(some: readonly { readonly number: number }[]) {
      await setImmediate()
      for (const { number } of some) taken.push(number)
      sink.next = some.at(-1)!.number + 1
    },
    close: async () => undefined,
  }
  return { rows, taken, sink, from: (next: number) => [...rows].filter((number) => number >= next) }
}

describe('the relay', () => {
  it('hands each sink its rows once and in order, and is not behind for what is gone', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        const [changes, letters] = [feed(), feed()]
        const store = {
          changes: (from: number, max: number) =>
            changes
              .from(from)
              .slice(0, max)
              .map((number) => ({ number, json: '{}' })),
          erasures: () => [],
          quarantinedRecords: (from: number, max: number) =>
            letters
              .from(from)
              .slice(0, max)
              .map((id) => ({ id, number: id })),
        } as unknown as StoreReader
        const relay = new Relay(store, {
          sinks: [changes.sink as unknown as Sink],
          deadLetters: letters.sink as unknown as DeadLetterSink,
        })
        let end = 0
        const removed = new Set<number>()
        for (const one of steps) {
          if (one.kind === 'turns') for (let i = 0; i < one.count; i++) await setImmediate()
          else if (one.kind === 'add') {
            for (const { rows } of [changes, letters])
              for (let number = end; number < end + one.count; number++) rows.add(number)
            end += one.count
            relay.advance({ changes: end, quarantineIds: end }, { busy: one.busy })
          } else
            for (const { rows } of [changes, letters])
              for (const number of [...rows].slice(Math.floor(rows.size * (1 - one.share)))) {
                rows.delete(number)
                removed.add(number)
              }
        }
        await relay.settled()
        assert.equal(relay.behind, 0)
        for (const { taken } of [changes, letters]) {
          assert.deepEqual(
            taken,
            [...new Set(taken)].sort((a, b) => a - b),
          )
          const handed = new Set(taken)
          for (let number = 0; number < end; number++)
            assert.ok(handed.has(number) || removed.has(number), `row ${number}`)
        }
      }),
      { numRuns: 100, seed: 1 },
    ))

  it('lingers while there is more to consume, until rows are many, there is no more, or all is to be settled', async () => {
    const { rows, taken, sink, from } = feed()
    const lingering = Object.assign(sink, { lingerMs: 3_600_000 })
    const store = {
      changes: (start: number, max: number) =>
        from(start)
          .slice(0, max)
          .map((number) => ({ number, json: '{}' })),
      erasures: () => [],
    } as unknown as StoreReader
    const relay = new Relay(store, { sinks: [lingering as unknown as Sink], deadLetters: undefined })
    let end = 0
    const add = async (count: number, busy: boolean) => {
      for (let i = 0; i < count; i++) rows.add(end++)
      relay.advance({ changes: end, quarantineIds: 0 }, { busy })
      for (let turn = 0; turn < 20; turn++) await setImmediate()
    }
    await add(1, true)
    assert.equal(taken.length, 1, 'the first goes out')
    await add(5, true)
    assert.equal(taken.length, 1, 'few linger')
    await add(1, false)
    assert.equal(taken.length, 7, 'no more is to be consumed')
    await add(2_000, true)
    assert.equal(taken.length, 1_031, 'many go out, and what is left lingers')
    await relay.settled()
    assert.equal(taken.length, 2_007)
    await add(1, true)
    relay.close()
    await relay.settled()
    assert.equal(taken.length, 2_007, 'nothing after it was closed')
  })

  it('of a sink that is being closed ends, and stays behind', async () => {
    const { rows, sink } = feed()
    rows.add(0)
    const closing = { ...sink, deliver: async () => undefined }
    const store = {
      changes: () => [{ number: 0, json: '{}' } as OutboxRow],
      erasures: () => [],
    } as unknown as StoreReader
    const relay = new Relay(store, { sinks: [closing as unknown as Sink], deadLetters: undefined })
    relay.advance({ changes: 1, quarantineIds: 0 })
    await relay.settled()
    assert.equal(relay.behind, 1)
  })
})
