// Metrics against their definitions, counted by hand or by trying all pairs.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { aucOf, meanAndSpread, perPersona, qualityOf, reliabilityOf } from '../../src/evaluation/metrics.ts'
import { linePlot, reliabilityPlot } from '../../src/evaluation/plot.ts'

const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a} is not ${b}`)

describe('metrics', () => {
  it('AUC is the share of pairs in the right order, ties half', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.constantFrom(0, 1)), {
          minLength: 1,
          maxLength: 30,
        }),
        (rows) => {
          const auc = aucOf(
            Float64Array.from(rows, ([score]) => score),
            Uint8Array.from(rows, ([, label]) => label),
          )
          const [ones, zeros] = [1, 0].map((want) => rows.filter(([, label]) => label === want))
          if (ones!.length === 0 || zeros!.length === 0) return assert.equal(auc, null)
          const pairs = ones!.flatMap(([a]) => zeros!.map(([b]) => (a > b ? 1 : a === b ? 0.5 : 0)))
          close(auc!, pairs.reduce((sum: number, value) => sum + value, 0) / pairs.length)
        },
      ),
    )
  })

  it('F1, Brier, ECE and coverage of two users and two personas, by hand', () => {
    const predictions = {
      probabilities: Float64Array.from([0.9, 0.2, 0.6, 0.4]),
      held: Uint8Array.from([1, 0, 1, 0]),
      known: Uint8Array.from([1, 0]),
    }
    const truth = Uint8Array.from([1, 1, 0, 0])
    const quality = qualityOf(predictions, truth, 2)
    close(quality.micro_f1, 2 / 4) // held twice, right once, positive twice
    close(quality.macro_f1, (2 / 3 + 0) / 2)
    close(quality.brier, (0.01 + 0.64 + 0.36 + 0.16) / 4)
    close(quality.ece, (0.1 + 0.8 + 0.6 + 0.4) / 4)
    close(quality.macro_auc, (1 + 0) / 2)
    assert.deepEqual([quality.coverage, quality.abstention, quality.users], [0.5, 0.5, 2])
    assert.deepEqual(
      perPersona(predictions, truth, ['a', 'b']).map(({ persona, base_rate, held }) => [
        persona,
        base_rate,
        held,
      ]),
      [
        ['a', 0.5, 1],
        ['b', 0.5, 0],
      ],
    )
  })

  it('reliability bins hold every answer once, a probability of one too', () => {
    const bins = reliabilityOf(Float64Array.from([0, 0.0666, 0.5, 1]), Uint8Array.from([0, 1, 1, 1]))
    assert.equal(bins.length, 15)
    assert.deepEqual(
      bins.flatMap(({ count }, i) => (count > 0 ? [[i, count]] : [])),
      [
        [0, 2],
        [7, 1],
        [14, 1],
      ],
    )
    assert.equal(bins[0]!.observed, 0.5)
  })

  it('mean and spread over seeds', () => {
    const of = (micro_f1: number) => ({
      ...qualityOf(
        { probabilities: new Float64Array(1), held: new Uint8Array(1), known: new Uint8Array(1) },
        new Uint8Array(1),
        1,
      ),
      micro_f1,
    })
    const { mean, spread } = meanAndSpread([of(0.5), of(0.7)])
    close(mean.micro_f1, 0.6)
    close(spread.micro_f1, Math.sqrt(0.02))
    assert.equal(meanAndSpread([of(0.5)]).spread.micro_f1, 0)
  })

  it('plots are SVG whatever the names say', () => {
    const bins = reliabilityOf(Float64Array.from([0.2, 0.8]), Uint8Array.from([0, 1]))
    for (const svg of [
      reliabilityPlot(bins, { title: 'a < b & c', ece: 0.2 }),
      linePlot(['1', '<3'], [{ name: 'ours & theirs', values: [0.5, null] }], {
        title: 't',
        xLabel: 'x',
        yLabel: 'y',
      }),
    ]) {
      assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/)
      assert.doesNotMatch(svg, /NaN|Infinity|undefined|&(?!amp;|lt;|gt;)|< b/)
    }
  })
})
