// What counts without Prometheus: histograms, lines of the log, drift over time, and the lag of partitions.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { counter, gauge, histogram } from '../../src/metrics/families.ts'
import { newHistogram, observe } from '../../src/metrics/histogram.ts'
import { LineLimit } from '../../src/metrics/line-limit.ts'
import { Metrics } from '../../src/metrics/registry.ts'
import { IngestMeter } from '../../src/pipeline/ingest-meter.ts'
import { newTally } from '../../src/pipeline/tally.ts'
import { PartitionLags } from '../../src/source/kafka-lag.ts'
import { parseMetrics } from '../support/prometheus-text.ts'

describe('metrics', () => {
  it('histograms are told with cumulative buckets that a value equal to a bound belongs to', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 40 })), async (values) => {
        const counts = newHistogram([10, 20, 30])
        for (const value of values) observe(counts, value)
        const now = parseMetrics(await new Metrics([histogram('h_seconds', 'h', () => counts)]).text())
        for (const le of [10, 20, 30])
          assert.equal(
            now.value('h_seconds_bucket', { le: String(le) }),
            values.filter((value) => value <= le).length,
          )
        assert.equal(now.value('h_seconds_bucket', { le: '+Inf' }), values.length)
        assert.equal(now.value('h_seconds_count'), values.length)
        assert.equal(
          now.value('h_seconds_sum'),
          values.reduce((sum, value) => sum + value, 0),
        )
      }),
      { numRuns: 50 },
    ))

  it('labels of any text come out as they went in; what is not known has no sample; all is read when it is asked for', async () => {
    const odd = 'file:/a "b"\\n\n{c="d"}, 1'
    let value = 1
    const metrics = new Metrics([
      gauge('a', 'one\nline', () => [{ labels: { sink: odd }, value: 2 }]),
      gauge('b', 'b', () => undefined),
      counter('c_total', 'c', () => value),
    ])
    const before = parseMetrics(await metrics.text())
    assert.equal(before.value('a', { sink: odd }), 2)
    assert.equal(before.value('b'), undefined)
    assert.equal(before.types.get('c_total'), 'counter')
    value = 7
    assert.equal(parseMetrics(await metrics.text()).value('c_total'), 7)
  })

  it('so many lines pass a minute, and the next one says how many did not', () => {
    const limit = new LineLimit(2)
    const passed = [0, 1, 2, 59_999, 60_000, 60_001, 60_002, 200_000].map((at) => limit.pass(at))
    assert.deepEqual(passed, [0, 0, undefined, undefined, 2, 0, undefined, 1])
  })

  it('a greatest drift is told for a minute at the least and two at the most', () => {
    const meter = new IngestMeter()
    const counts = { records: 1, applied: 1, duplicates: 0, blocked: 0, quarantined: 0, controls: 0 }
    const batch = (now: number, drift: number) =>
      meter.applied({ counts, tally: { ...newTally(), drift }, rewalks: 3, changes: 0, applyMs: 2, now })
    batch(1_000, 0.01)
    batch(2_000, 0.015)
    batch(30_000, 0.002)
    assert.equal(meter.read(60_000).driftGreatest, 0.015)
    batch(62_000, 0.001)
    assert.equal(meter.read(63_000).driftGreatest, 0.015)
    assert.equal(meter.read(122_500).driftGreatest, 0.001)
    assert.equal(meter.read(400_000).driftGreatest, 0)
    const { records, batches } = meter.read(400_000)
    assert.equal(records.applied, 4)
    assert.equal(batches.rewalks.sum, 12)
  })

  it('a partition lags by what is not on disk, and by the age of the oldest of it', () => {
    const lags = new PartitionLags()
    const source = 'kafka:orders/3'
    const read = (now: number) => lags.read(now).map(({ records, seconds }) => [records, seconds])
    lags.fetched(source, { end: 9, next: 5, at: 1, lastAt: 1 })
    assert.deepEqual(read(0), [], 'it is another’s')
    lags.begin(source, 10)
    assert.deepEqual(read(1_000), [[0, 0]])
    lags.fetched(source, { end: 100, next: 20, at: 2_000, lastAt: 3_000 })
    lags.fetched(source, { end: 120, next: 30, at: 4_000, lastAt: 5_000 })
    assert.deepEqual(read(10_000), [[110, 8]])
    lags.consumed(source, 15)
    assert.deepEqual(read(10_000), [[105, 8]], 'part of a fetch')
    lags.consumed(source, 20)
    assert.deepEqual(read(10_000), [[100, 6]])
    lags.consumed(source, 30)
    assert.deepEqual(
      read(10_000),
      [[90, 5]],
      'what is not fetched is no older than the last that was applied',
    )
    lags.fetched(source, { end: 30, next: 30 })
    lags.consumed(source, 120)
    assert.deepEqual(read(10_000), [[0, 0]])
    assert.deepEqual(lags.read(0)[0], { topic: 'orders', partition: 3, next: 120, records: 0, seconds: 0 })
    lags.clear()
    assert.deepEqual(read(10_000), [])
  })
})
