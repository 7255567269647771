// A hot user's log odds under the running epoch: from S(u), X(u) and W(u), X(u) read anew from the edges where it is of
// another content fit.
import { oddsInto } from '../core/decide.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { sigmoid } from '../core/logistic.ts'
import { landed } from '../core/persona.ts'
import { addScaled, type Row } from '../core/walk.ts'
import type { Calibrated } from './calibrated.ts'
import type { Run } from './run.ts'

let odds = new Float64Array(0)
const content: { values: Float64Array; offset: number } = { values: new Float64Array(0), offset: 0 }
const score: { values: Float64Array; offset: number } = { values: new Float64Array(0), offset: 0 }

/** X(u) of the user at `slot`; undefined where words are not read, or none of the user's products has a known one. */
export function contentOf({ engine, tx }: Run, slot: number, calibrated: Calibrated): Row | undefined {
  if (calibrated.head === 0) return undefined
  const { users, neighbours } = engine
  const { personas } = users
  content.values = users.content
  content.offset = slot * personas
  if (users.contentHead[slot] !== calibrated.head) {
    users.content.fill(0, content.offset, content.offset + personas)
    tx.productsOf(users.index[slot] as UserIndex, neighbours)
    for (let i = 0; i < neighbours.length; i++) {
      const vector = calibrated.vectorOf(neighbours.ids[i] as ProductIndex, tx)
      addScaled(content, vector, { weight: neighbours.weights[i]!, personas })
    }
    users.contentHead[slot] = calibrated.head
  }
  for (let c = 0; c < personas; c++) if (users.content[content.offset + c] !== 0) return content
  return undefined
}

/**
 * An event changed w(u,p) by `weight`: X(u) follows where it is kept for the running content fit. Where it is of another one,
 * or words are not read now, it is read anew once they are: an epoch that reads them may follow one that does not.
 */
export function repairContent(
  { engine, tx }: Run,
  slot: number,
  { product, weight }: { product: ProductIndex; weight: number },
): void {
  const { users, calibrated } = engine
  if (calibrated === undefined || calibrated.head === 0 || users.contentHead[slot] !== calibrated.head) {
    users.contentHead[slot] = 0
    return
  }
  const vector = calibrated.vectorOf(product, tx)
  const { personas } = users
  addScaled({ values: users.content, offset: slot * personas }, vector, { weight, personas })
}

/** Log odds of the user by this walk (undefined: none that landed), in an array that the next call uses anew. */
export function oddsAt(
  { engine: { users } }: Run,
  slot: number,
  { calibrated, walk, words }: { calibrated: Calibrated; walk: Row | undefined; words: Row | undefined },
): Float64Array {
  if (odds.length !== users.personas) odds = new Float64Array(users.personas)
  oddsInto(odds, { score: walk, content: words, weight: users.weight[slot]! }, calibrated.policy)
  return odds
}

/** Keeps the probabilities of these log odds as what the user at `slot` is answered with. */
export function keepProbabilities({ engine: { users } }: Run, slot: number, odds: Float64Array): void {
  const from = slot * users.personas
  for (let c = 0; c < odds.length; c++) users.probabilities[from + c] = sigmoid(odds[c]!)
}

/** Brings probabilities up to scores that were repaired since the user was decided under the running epoch. */
export function refreshProbabilities(run: Run, slot: number): void {
  const { users, calibrated, policy } = run.engine
  const { personas } = users
  if (calibrated === undefined || users.epoch[slot] !== calibrated.epoch.epoch) return
  if (users.status(slot) !== 'inferred' || users.method(slot) === 'sampled') return
  score.values = users.scores
  score.offset = slot * personas
  const lands = landed(score, { weight: users.weight[slot]!, personas }, policy.decision)
  const words = contentOf(run, slot, calibrated)
  keepProbabilities(run, slot, oddsAt(run, slot, { calibrated, walk: lands ? score : undefined, words }))
}
