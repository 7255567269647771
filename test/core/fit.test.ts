// Fits against plain arithmetic: gradients that vanish, thresholds by trying all, words that add up, and no prototype that
// reads its own label.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { bestThreshold, fitCalibration, oddsOf } from '../../src/core/calibration.ts'
import {
  contentFolds,
  contentOne,
  contentScoreOf,
  contentVector,
  fitContent,
  wordsOf,
} from '../../src/core/content.ts'
import { calibrate, calibrateBest, evidencesOf, fitHead } from '../../src/core/fit.ts'
import type { LabelledGraph, LabelledUser } from '../../src/core/labelled.ts'
import { fitLogistic, fitSparseLogistic, sigmoid } from '../../src/core/logistic.ts'
import { rngFor } from '../../src/core/rng.ts'

const real = fc.double({ min: -3, max: 3, noNaN: true })

describe('logistic regression', () => {
  it('dense: the gradient vanishes at what is found, from data that can be separated too', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(real, real, fc.constantFrom(0, 1)), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(0.01, 1, 50),
        (rows, strength) => {
          const sample = {
            features: Float64Array.from(rows.flatMap(([a, b]) => [1, a, b])),
            offsets: Float64Array.from(rows, (_, i) => (i % 3) - 1),
            labels: Uint8Array.from(rows, ([, , label]) => label),
          }
          const centre = Float64Array.from([0.5, 0, -1])
          const penalty = new Float64Array(3).fill(strength)
          const b = fitLogistic(sample, { centre, penalty })
          for (let j = 0; j < 3; j++) {
            let gradient = strength * (b[j]! - centre[j]!)
            rows.forEach((_, i) => {
              const x = (k: number) => sample.features[i * 3 + k]!
              const odds = sample.offsets[i]! + b[0]! * x(0) + b[1]! * x(1) + b[2]! * x(2)
              gradient += (sigmoid(odds) - sample.labels[i]!) * x(j)
            })
            assert.ok(Math.abs(gradient) < 1e-5 * (1 + rows.length), `gradient ${gradient}`)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('sparse: finds what the dense fit finds', () => {
    const rng = rngFor({ seed: 4, text: 'sparse', position: 0 })
    const rows = Array.from({ length: 60 }, () => [0, 1, 2, 3].filter(() => rng.below(2) === 1))
    const labels = Uint8Array.from(rows, (row) => (rng.below(10) < (row.includes(1) ? 8 : 3) ? 1 : 0))
    const starts = Int32Array.from([0, ...rows].map((_, i) => rows.slice(0, i).flat().length))
    const columns = Int32Array.from(rows.flat())
    const sparse = fitSparseLogistic(
      { starts, columns, values: new Float64Array(columns.length).fill(1) },
      labels,
      {
        columns: 4,
        penalty: 2,
        chosen: Int32Array.from(rows, (_, i) => i),
      },
    )
    const dense = fitLogistic(
      {
        features: Float64Array.from(
          rows.flatMap((row) => [0, 1, 2, 3].map((c) => Number(row.includes(c))).concat(1)),
        ),
        offsets: new Float64Array(60),
        labels,
      },
      { centre: new Float64Array(5), penalty: Float64Array.from([2, 2, 2, 2, 1e-9]) },
    )
    for (let j = 0; j < 5; j++)
      assert.ok(Math.abs(sparse[j]! - dense[j]!) < 0.02, `${j}: ${sparse[j]} ${dense[j]}`)
  })
})

describe('thresholds', () => {
  it('no threshold in hundredths has a greater micro-F1', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.constantFrom(0, 1)), {
          minLength: 1,
          maxLength: 60,
        }),
        (rows) => {
          const probabilities = Float64Array.from(rows, ([percent]) => percent / 100)
          const labels = Uint8Array.from(rows, ([, label]) => label)
          const f1 = (threshold: number) => {
            const held = rows.filter(([percent]) => percent >= Math.round(threshold * 100))
            const right = held.filter(([, label]) => label === 1).length
            const positives = rows.filter(([, label]) => label === 1).length
            return held.length + positives === 0 ? 0 : (2 * right) / (held.length + positives)
          }
          const chosen = f1(bestThreshold(probabilities, labels))
          for (let step = 5; step <= 95; step++) assert.ok(f1(step / 100) <= chosen + 1e-12)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('content head', () => {
  it('words: letters of any script, lower-cased, each once; categories apart; scripts without spaces in pairs', () => {
    assert.deepEqual(wordsOf('RED  Retro-spot Cake RED 12 a', undefined), ['red', 'retro', 'spot', 'cake'])
    assert.deepEqual(wordsOf('Tin', 'Kitchen > Tin'), ['tin', 'category:kitchen', 'category:tin'])
    assert.deepEqual(wordsOf('婴儿奶粉', undefined), ['婴儿', '儿奶', '奶粉'])
    assert.deepEqual(wordsOf('Café été', undefined), ['café', 'été'])
    assert.deepEqual(wordsOf(undefined, undefined), [])
  })

  it('v(p) is the sum over words in whole numbers, and says which persona a word is of', () => {
    const { model, folds } = fitContent(plantedShop(1).examples, 2)!
    assert.equal(folds.length, contentFolds)
    const vector = (words: string[]) => {
      const out = new Float64Array(3)
      const known = contentVector(model, words, { out, offset: 1 })
      return { known, values: [...out.subarray(1)] }
    }
    const [cake, tin] = [vector(['cake']), vector(['tin'])]
    assert.ok(cake.known && cake.values.every(Number.isInteger))
    assert.deepEqual(
      vector(['cake', 'tin']).values,
      cake.values.map((value, c) => value + tin.values[c]!),
    )
    assert.deepEqual(vector(['never']), { known: false, values: [0, 0] })
    assert.ok(cake.values[0]! > contentOne / 4 && cake.values[1]! < 0, `cake: ${cake.values}`)
    const odds = contentScoreOf(model.bias[0]!, cake.values[0]! * 1000, 1000)
    assert.ok(Math.abs(odds - (model.bias[0]! + cake.values[0]! / contentOne)) < 1e-12)
  })
})

describe('calibration', () => {
  it('no prototype reads its own label: turning it leaves its own evidence', () => {
    const { graph, users } = plantedShop(2)
    const policy = { kappa: 3000, landingMassMin: 0.05 }
    const turned = users.map((user, i) =>
      i === 5 ? { ...user, shares: user.shares.toReversed(), labels: user.labels.toReversed() } : user,
    )
    const own = (given: readonly LabelledUser[]) =>
      evidencesOf(graph, given, { head: fitHead(graph, given), policy })
    const [before, after] = [own(users), own(turned)]
    // the prior is the version's, of all prototypes: one label in so many is all that is left of it
    for (let c = 0; c < 2; c++) {
      assert.ok(Math.abs(before.lifts[5]![c]! - after.lifts[5]![c]!) < 0.05)
      assert.equal(before.content![5]![c], after.content![5]![c])
    }
    assert.ok(Math.abs(before.lifts[6]![0]! - after.lifts[6]![0]!) > 0)
  })

  it('probabilities of prototypes sum to how many carry a persona, and part the planted ones', () => {
    const { graph, users } = plantedShop(3)
    const head = fitHead(graph, users)
    const evidences = evidencesOf(graph, users, { head, policy: { kappa: 3000, landingMassMin: 0.05 } })
    const { calibration } = calibrate(evidences, 'both')
    const rows = evidences.logDegree.length
    const said = [0, 0]
    const were = [0, 0]
    let right = 0
    for (let i = 0; i < rows; i++)
      for (let c = 0; c < 2; c++) {
        const p = sigmoid(
          oddsOf(calibration, c, {
            logLift: evidences.lifts[i]![c]!,
            content: evidences.content![i]![c]!,
            logDegree: evidences.logDegree[i]!,
          }),
        )
        said[c]! += p
        were[c]! += evidences.labels[i * 2 + c]!
        if (i < users.length && p >= calibration.enter === (users[i]!.labels[c] === 1)) right++
      }
    for (let c = 0; c < 2; c++)
      assert.ok(Math.abs(said[c]! - were[c]!) < 0.05 * rows, `${said} said, ${were} were`)
    assert.ok(right / users.length / 2 > 0.9, `${right} of ${users.length * 2} right`)
  })

  it('words are read where they help, and not where they say nothing', () => {
    const policy = { kappa: 3000, landingMassMin: 0.05 }
    const { graph, users } = plantedShop(4)
    const chosen = (given: LabelledGraph) =>
      calibrateBest(evidencesOf(given, users, { head: fitHead(given, users), policy })).evidence
    const noise = rngFor({ seed: 8, text: 'noise', position: 0 })
    const words = graph.words.map(() => [`word${noise.below(12)}`])
    assert.equal(chosen({ ...graph, words }), 'walk')
    // every product bought once: the walk knows nothing, the words all
    const alone = scattered(graph, users)
    assert.equal(
      calibrateBest(evidencesOf(alone, alone.users, { head: fitHead(alone, alone.users), policy })).evidence,
      'both',
    )
  })

  it('a persona that nobody or everybody carries is fitted too', () => {
    const calibration = fitCalibration({
      personas: 2,
      whole: 3,
      logLift: new Float64Array(6),
      content: new Float64Array(6),
      logDegree: new Float64Array(3),
      labels: Uint8Array.from([0, 1, 0, 1, 0, 1]),
    })
    const p = (c: number) => sigmoid(oddsOf(calibration, c, { logLift: 0, content: 0, logDegree: 0 }))
    assert.ok(p(0) < 0.2 && p(1) > 0.8)
  })
})

/** 80 shoppers of two kinds, 40 products a kind, one in six purchases of the other kind. */
function plantedShop(seed: number) {
  const rng = rngFor({ seed, text: 'planted', position: 0 })
  const kindWords = [
    ['cake', 'flour', 'oven'],
    ['tent', 'rope', 'boot'],
  ]
  const words = Array.from({ length: 80 }, (_, p) => [kindWords[p % 2]![rng.below(3)]!, 'tin'])
  const users = Array.from({ length: 80 }, (_, i): LabelledUser => {
    const kind = i % 2
    const bought = new Set<number>()
    for (let n = 0; n < 8; n++) bought.add(2 * rng.below(40) + (rng.below(6) === 0 ? 1 - kind : kind))
    const shares = Float64Array.from([1 - kind, kind])
    return {
      userId: `u${i}`,
      fold: (i >> 1) % contentFolds,
      products: Int32Array.from(bought),
      weights: new Float64Array(bought.size).fill(1000),
      times: Float64Array.from(bought, (_, n) => n),
      shares,
      labels: Uint8Array.from(shares),
    }
  })
  const graph: LabelledGraph = { personas: ['baker', 'hiker'], users, words, buyers: new Float64Array(80) }
  const examples = users.map((user) => ({
    fold: user.fold,
    weight: 1000 * user.products.length,
    labels: user.labels,
    products: Array.from(user.products, (p) => ({ words: words[p]!, weight: 1000 })),
  }))
  return { graph, users, examples }
}

/** The same baskets by words, of products that nobody else bought. */
function scattered(graph: LabelledGraph, users: readonly LabelledUser[]): LabelledGraph {
  const words: (readonly string[])[] = []
  const moved = users.map((user) => ({
    ...user,
    products: user.products.map((p) => words.push(graph.words[p]!) - 1),
  }))
  return { ...graph, users: moved, words, buyers: new Float64Array(words.length) }
}
