// The lag: from samples of where the log's end was, how old the oldest record is that is not applied.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Lag, Lags } from '../../src/lookup/lag.ts'

describe('lag', () => {
  it('is nothing while all is applied, and grows from when something was not', () => {
    const lag = new Lag()
    lag.note({ at: 0, end: 5, applied: 5, down: false })
    assert.equal(lag.behindMs(100), 0)
    lag.note({ at: 100, end: 9, applied: 5, down: false })
    lag.note({ at: 200, end: 12, applied: 8, down: false })
    assert.equal(lag.behindMs(250), 150)
    lag.note({ at: 300, end: 12, applied: 9, down: false })
    assert.equal(lag.behindMs(300), 100, 'what arrived by 100 is applied, what arrived by 200 is not')
    lag.note({ at: 400, end: 12, applied: 12, down: false })
    assert.equal(lag.behindMs(500), 0)
  })

  it('counts from when ingest went down, though nothing waits', () => {
    const lag = new Lag()
    lag.note({ at: 0, end: 5, applied: 5, down: false })
    lag.note({ at: 100, end: 5, applied: 5, down: true })
    lag.note({ at: 200, end: 5, applied: 5, down: true })
    assert.equal(lag.behindMs(300), 200)
    lag.note({ at: 400, end: 5, applied: 5, down: false })
    assert.equal(lag.behindMs(400), 0)
  })

  it('is the age of the oldest unapplied record to within a sample, whatever arrives and is applied', () => {
    const steps = fc.array(fc.record({ arrive: fc.nat(5), apply: fc.nat(6) }), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (given) => {
        const lag = new Lag()
        const arrivals: number[] = []
        let applied = 0
        for (const [i, { arrive, apply }] of given.entries()) {
          const at = i * 10
          for (let n = 0; n < arrive; n++) arrivals.push(at)
          applied = Math.min(arrivals.length, applied + apply)
          lag.note({ at, end: arrivals.length, applied, down: false })
          const oldest = arrivals[applied]
          assert.equal(lag.behindMs(at), oldest === undefined ? 0 : at - oldest)
        }
      }),
    )
  })

  it('keeps a bounded number of samples, and the oldest among them', () => {
    const lag = new Lag()
    for (let n = 1; n <= 5000; n++) lag.note({ at: n, end: n, applied: 0, down: false })
    assert.equal(lag.behindMs(5000), 4999)
  })
})

describe('lag of several places', () => {
  it('is that of the place that is furthest behind, as long as it is there', () => {
    const lags = new Lags()
    assert.equal(lags.behindMs(0), 0)
    lags.note([{ name: 'a', end: 10, applied: 0 }], 100)
    lags.note(
      [
        { name: 'a', end: 10, applied: 5 },
        { name: 'b', end: 3, applied: 0 },
      ],
      200,
    )
    assert.equal(lags.behindMs(300), 200)
    lags.note(
      [
        { name: 'a', end: 20, applied: 10 },
        { name: 'b', end: 3, applied: 0 },
      ],
      300,
    )
    assert.equal(lags.behindMs(300), 100, 'a has applied what it had then, b has not')
    lags.note([{ name: 'a', end: 20, applied: 20 }], 400)
    assert.equal(lags.behindMs(400), 0, 'b is another process’s now')
  })

  it('begins anew with a place that does', () => {
    const lags = new Lags()
    lags.note([{ name: 'a', end: 1000, applied: 900 }], 100)
    lags.note([{ name: 'a', end: 10, applied: 10 }], 200)
    assert.equal(lags.behindMs(300), 0)
  })
})
