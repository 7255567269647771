// One user settled: status, method, held set and primary, from the exact walk, from longer ones, or from words alone.
import { decideByOdds, oddsSlack } from '../core/decide.ts'
import { edgeWeightMaxOf } from '../core/edge.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { decideHeld, decideWithSlack, landed, type Method, type Status } from '../core/persona.ts'
import { rngFor } from '../core/rng.ts'
import { type Snapshot, sampleLongerWalks, type WalkGraph } from '../core/sampled-walk.ts'
import type { Row } from '../core/walk.ts'
import type { Calibrated } from './calibrated.ts'
import { contentOf, keepProbabilities, oddsAt } from './odds.ts'
import type { RecordCause, Run } from './run.ts'

/**
 * Who touched the user: only their own event may start longer walks; a re-walk leaves a sampled answer standing, a sweep
 * reads it under the new epoch.
 */
export type Touch = 'own event' | 're-walk' | 'sweep' | 'new version'

/** What a user is answered with; `held` has C flags and is used anew by the next call. */
export type Settled = { readonly status: Status; readonly method: Method; readonly held: Uint8Array }

/** The held set being decided, and the rows it is decided from, used anew each time. */
const held = { values: new Uint8Array(0), offset: 0 }
const score: { values: Float64Array; offset: number } = { values: new Float64Array(0), offset: 0 }

/** Settles the user at `slot`; primary, slack, sampled walks and probabilities of the slot follow. */
export function settle(
  run: Run,
  slot: number,
  { cause, touch }: { cause: RecordCause; touch: Touch },
): Settled {
  const { users, active, policy, calibrated } = run.engine
  const personas = active.names.length
  const from = slot * personas
  if (held.values.length !== personas) held.values = new Uint8Array(personas)
  for (let c = 0; c < personas; c++) held.values[c] = users.held[from + c]!
  const settled = (status: Status, method: Method): Settled => ({ status, method, held: held.values })
  const weight = users.weight[slot]!
  const enough = weight >= policy.decision.weightMin
  score.values = users.scores
  score.offset = from
  if (enough && landed(score, { weight, personas }, policy.decision)) {
    users.sampled[slot] = undefined
    if (calibrated === undefined) decideExact(run, slot)
    else decideCalibrated(run, slot, { calibrated, exact: score, walk: score })
    return settled('inferred', 'exact')
  }
  const standing = users.sampled[slot]
  if (touch === 're-walk' && standing !== undefined && users.epoch[slot] === (calibrated?.epoch.epoch ?? 0))
    return settled('inferred', 'sampled') // the snapshot stands
  users.slack[slot] = 0
  if (touch === 'own event') users.sampled[slot] = enough ? longerWalks(run, slot, cause) : undefined
  else if (touch === 'new version') users.sampled[slot] = undefined
  const sampled = users.sampled[slot]
  const walk = sampled && { values: sampled.scores, offset: 0 }
  if (calibrated !== undefined && enough) {
    if (decideCalibrated(run, slot, { calibrated, exact: undefined, walk }))
      return settled('inferred', sampled === undefined ? 'content' : 'sampled')
  } else if (walk !== undefined) {
    const { decision } = policy
    users.primary[slot] = decideHeld(walk, held, { policy: decision, carried: active.carried })
    return settled('inferred', 'sampled')
  }
  held.values.fill(0)
  users.probabilities.fill(0, from, from + personas)
  users.primary[slot] = -1
  return settled('unknown', 'none')
}

function decideExact({ engine: { users, active, policy } }: Run, slot: number): void {
  const { primary, slack } = decideWithSlack(score, held, {
    policy: policy.decision,
    carried: active.carried,
    weight: users.weight[slot]!,
  })
  users.primary[slot] = primary
  users.slack[slot] = slack
}

/** Decides by probability from walk and words; false when there is neither. */
function decideCalibrated(
  run: Run,
  slot: number,
  { calibrated, exact, walk }: { calibrated: Calibrated; exact: Row | undefined; walk: Row | undefined },
): boolean {
  const { users, policy } = run.engine
  const words = contentOf(run, slot, calibrated)
  if (walk === undefined && words === undefined) return false
  const odds = oddsAt(run, slot, { calibrated, walk, words })
  const primary = decideByOdds(odds, held, calibrated.policy)
  users.primary[slot] = primary
  if (exact === undefined && walk !== undefined) keepProbabilities(run, slot, odds) // of a snapshot; others follow scores
  users.slack[slot] =
    exact === undefined
      ? 0
      : oddsSlack(odds, held, {
          score: exact,
          weight: users.weight[slot]!,
          primary,
          policy: calibrated.policy,
          landingMassMin: policy.decision.landingMassMin,
        })
  return true
}

function longerWalks(run: Run, slot: number, cause: RecordCause): Snapshot | undefined {
  const { engine } = run
  const { users, policy, active } = engine
  if (policy.sampling.walksMax === 0 || active.meta.prototypes === 0) return undefined
  const rng = rngFor({ seed: policy.seed, text: users.userId[slot]!, position: cause.position })
  const result = sampleLongerWalks(graphOf(run, users.index[slot]!), users.index[slot]!, {
    personas: active.names.length,
    policy: policy.sampling,
    rng,
  })
  return result && { ...result, position: cause.position }
}

/** The graph that walks from `start` are over: its own list, which each of them begins with, is read once. */
function graphOf({ engine, tx }: Run, start: UserIndex): WalkGraph {
  const { products, active, policy, neighbours } = engine
  tx.productsOf(start, neighbours)
  const where = { store: tx, version: active.meta.version }
  return {
    weightMax: edgeWeightMaxOf(policy.repeat),
    drawProduct: (user, rng, edge) => {
      if (user !== start) return tx.drawProduct(user as UserIndex, rng, edge)
      if (neighbours.length === 0) return false
      const slot = rng.below(neighbours.length)
      edge.neighbour = neighbours.ids[slot]!
      edge.weight = neighbours.weights[slot]!
      return true
    },
    drawUser: (product, rng, edge) => tx.drawUser(product as ProductIndex, rng, edge),
    publishedOf: (product, out) => {
      const { values, offset } = products.published(product as ProductIndex, where)
      for (let c = 0; c < out.length; c++) out[c] = values[offset + c]!
    },
  }
}
