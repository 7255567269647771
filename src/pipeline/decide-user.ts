// Stage decide: from one user's scores to held set, primary and status; what became different goes to the outbox.
import { encodeChange } from '../codec/change-event.ts'
import {
  type Answer,
  differenceOf,
  type Evidence,
  type PersonaProbability,
  topEvidence,
} from '../core/change.ts'
import { edgeWeightMaxOf } from '../core/edge.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { evidenceEdgesMax, evidenceProductsMax } from '../core/limits.ts'
import { decideHeld, decideWithSlack, landed, type Status } from '../core/persona.ts'
import { rngFor } from '../core/rng.ts'
import { type Snapshot, sampleLongerWalks, type WalkGraph } from '../core/sampled-walk.ts'
import { scoreTotal } from '../core/walk.ts'
import type { RecordCause, Run } from './run.ts'

/** Who touched the user: only their own event may start longer walks; a re-walk leaves a sampled answer standing. */
export type Touch = 'own event' | 're-walk' | 'new version'

/**
 * Decides the hot user at `slot` and adds a change event when held set, primary or status differ from before
 * (`previous`: from what it was answered with by another version). Returns whether they did.
 */
export function decideUser(
  run: Run,
  slot: number,
  { cause, touch, previous }: { cause: RecordCause; touch: Touch; previous?: Answer },
): boolean {
  const { users } = run.engine
  const status = users.status(slot)
  const primary = users.primary[slot]!
  const now = settle(run, slot, { cause, touch })
  const method = now === 'inferred' ? (users.sampled[slot] ? 'sampled' : 'exact') : 'none'
  if (method !== users.method(slot)) users.touch(slot)
  users.setAnswer(slot, now, method)
  const changed = users.hold(slot, held.values) || now !== status || users.primary[slot] !== primary
  if (!changed && previous === undefined) return false
  const before = previous ?? answerBefore(run, slot, { status, primary })
  return emitIfChanged(run, slot, { cause, before })
}

/** Compares with `before`, keeps since-times, and writes the change event. */
export function emitIfChanged(
  run: Run,
  slot: number,
  { cause, before }: { cause: RecordCause; before: Answer },
): boolean {
  const { engine, tx } = run
  const { users, active } = engine
  const probability = probabilitiesOf(run, slot)
  keepSince(run, slot, cause.ts)
  const after = namedAnswer(run, slot, [...users.since[slot]!.keys()])
  const difference = differenceOf(before, after, (name) => rounded(probability(active.names.indexOf(name))))
  users.touch(slot)
  if (difference === undefined) return false
  users.sequence[slot]!++
  const change = {
    userId: users.userId[slot]!,
    sequence: users.sequence[slot]!,
    cause,
    ...after,
    ...difference,
    previousPrimary: before.primary,
    evidence: evidenceFor(run, slot, difference.entered),
    version: active.meta.version,
  }
  tx.addChange(users.index[slot]!, encodeChange(change))
  return true
}

/** The held set being decided, C flags; and the rows it is decided from, used anew each time. */
const held = { values: new Uint8Array(0), offset: 0 }
const score: { values: Float64Array; offset: number } = { values: new Float64Array(0), offset: 0 }

/** Held set (into `held`), primary and status of one user. */
function settle(run: Run, slot: number, { cause, touch }: { cause: RecordCause; touch: Touch }): Status {
  const { users, active, policy } = run.engine
  const personas = active.names.length
  const from = slot * personas
  const weight = users.weight[slot]!
  score.values = users.scores
  score.offset = from
  if (held.values.length !== personas) held.values = new Uint8Array(personas)
  for (let c = 0; c < personas; c++) held.values[c] = users.held[from + c]!
  const walked = { weight, personas }
  if (weight >= policy.decision.weightMin && landed(score, walked, policy.decision)) {
    users.sampled[slot] = undefined
    const { primary, slack } = decideWithSlack(score, held, {
      policy: policy.decision,
      carried: active.carried,
      weight,
    })
    users.primary[slot] = primary
    users.slack[slot] = slack
    return 'inferred'
  }
  if (touch === 're-walk' && users.sampled[slot] !== undefined) return 'inferred' // the snapshot stands
  users.slack[slot] = 0
  users.sampled[slot] =
    touch === 'own event' && weight >= policy.decision.weightMin ? longerWalks(run, slot, cause) : undefined
  const sampled = users.sampled[slot]
  if (sampled !== undefined) {
    score.values = sampled.scores
    score.offset = 0
    users.primary[slot] = decide(run)
    return 'inferred'
  }
  held.values.fill(0)
  users.primary[slot] = -1
  return 'unknown'
}

function decide({ engine: { active, policy } }: Run): number {
  return decideHeld(score, held, { policy: policy.decision, carried: active.carried })
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

/** Held personas keep their time, new ones begin now; kept in order of persona index. */
function keepSince({ engine: { users } }: Run, slot: number, ts: number): void {
  const before = users.since[slot]!
  const since = new Map<number, number>()
  for (let c = 0; c < users.personas; c++)
    if (users.held[slot * users.personas + c] === 1) since.set(c, before.get(c) ?? ts)
  users.since[slot] = since
}

/** q (or label share) of a persona by index; 0 for one that the version does not know. */
function probabilitiesOf({ engine: { users } }: Run, slot: number): (persona: number) => number {
  const sampled = users.sampled[slot]
  const row = sampled
    ? { values: sampled.scores, offset: 0 }
    : { values: users.scores, offset: slot * users.personas }
  const total = scoreTotal(row, users.personas)
  return (persona) => (persona < 0 || total === 0 ? 0 : row.values[row.offset + persona]! / total)
}

function namedAnswer(run: Run, slot: number, held: readonly number[]): Answer {
  const { users, active } = run.engine
  const probability = probabilitiesOf(run, slot)
  return {
    status: users.status(slot),
    personas: held
      .map((c) => ({ persona: active.names[c]!, probability: rounded(probability(c)) }))
      .sort((a, b) => b.probability - a.probability),
    primary: active.names[users.primary[slot]!],
  }
}

/** What a user was answered with, by what is still kept of it. */
function answerBefore(
  { engine: { users, active } }: Run,
  slot: number,
  { status, primary }: { status: Status; primary: number },
): Answer {
  const held = Array.from(users.since[slot]!.keys(), (c) => ({ persona: active.names[c]!, probability: 0 }))
  return { status, personas: held, primary: active.names[primary] }
}

/** The products that carry most of the landing mass of what entered an exact walk; none for labels and samples. */
function evidenceFor(run: Run, slot: number, entered: readonly PersonaProbability[]): Evidence[] {
  const { engine, tx } = run
  const { users, active, products, neighbours } = engine
  if (entered.length === 0 || users.method(slot) !== 'exact') return []
  const indices = entered.map(({ persona }) => active.names.indexOf(persona))
  tx.productsOf(users.index[slot]!, neighbours)
  const found: { product: ProductIndex; contribution: number }[] = []
  const where = { store: tx, version: active.meta.version }
  let total = 0
  for (let i = 0; i < Math.min(neighbours.length, evidenceEdgesMax); i++) {
    const product = neighbours.ids[i] as ProductIndex
    const { values, offset } = products.published(product, where)
    let contribution = 0
    for (const c of indices) contribution += neighbours.weights[i]! * values[offset + c]!
    total += contribution
    const last = found[evidenceProductsMax - 1]
    if (last === undefined || contribution >= last.contribution) keepTop(found, { product, contribution })
  }
  const named = found.map(({ product, contribution }) => {
    const { productId, title } = engine.titles.get(product) ?? tx.product(product)!
    return { productId, title, contribution }
  })
  return topEvidence(named, { total, productsMax: evidenceProductsMax }).map((entry) => ({
    ...entry,
    share: rounded(entry.share),
  }))
}

/** Keeps the greatest contributions, and all that tie with the last of them: ids, not slots, decide between those. */
function keepTop(
  found: { product: ProductIndex; contribution: number }[],
  entry: { product: ProductIndex; contribution: number },
): void {
  let at = found.length
  while (at > 0 && found[at - 1]!.contribution < entry.contribution) at--
  found.splice(at, 0, entry)
  const threshold = found[evidenceProductsMax - 1]?.contribution
  while (threshold !== undefined && found[found.length - 1]!.contribution < threshold) found.pop()
}

/** Six decimals: a change event is for reading; exports and lookups are exact. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
