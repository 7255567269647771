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
import { decideHeld, landed, type Status } from '../core/persona.ts'
import { rngFor } from '../core/rng.ts'
import { type SampledScores, sampleLongerWalks, type WalkGraph } from '../core/sampled-walk.ts'
import { type Row, scoreTotal } from '../core/walk.ts'
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
  const before = previous ?? quickAnswer(run, slot)
  const status = settle(run, slot, { cause, touch })
  users.setAnswer(slot, status, status === 'inferred' ? (users.sampled[slot] ? 'sampled' : 'exact') : 'none')
  return emitIfChanged(run, slot, { cause, before })
}

/** The answer of a hot user as held now, with names resolved only when somebody looks. */
type QuickAnswer = {
  readonly held: readonly number[]
  readonly primaryIndex: number
  readonly status: Status
}

function quickAnswer({ engine: { users } }: Run, slot: number): QuickAnswer {
  return {
    held: [...users.since[slot]!.keys()],
    primaryIndex: users.primary[slot]!,
    status: users.status(slot),
  }
}

/** Compares with `before`, keeps since-times, and writes the change event. */
export function emitIfChanged(
  run: Run,
  slot: number,
  { cause, before }: { cause: RecordCause; before: Answer | QuickAnswer },
): boolean {
  const { engine, tx } = run
  const { users, active } = engine
  if ('held' in before && sameAsHeld(run, slot, before)) return false
  const probability = probabilitiesOf(run, slot)
  keepSince(run, slot, cause.ts)
  const after = namedAnswer(run, slot, [...users.since[slot]!.keys()])
  const named = 'held' in before ? namedBefore(run, slot, before) : before
  const difference = differenceOf(named, after, (name) => rounded(probability(active.names.indexOf(name))))
  users.touch(slot)
  if (difference === undefined) return false
  users.sequence[slot]!++
  const change = {
    userId: users.userId[slot]!,
    sequence: users.sequence[slot]!,
    cause,
    ...after,
    ...difference,
    previousPrimary: named.primary,
    evidence: evidenceFor(run, slot, difference.entered),
    version: active.meta.version,
  }
  tx.addChange(users.index[slot]!, encodeChange(change))
  return true
}

/** Held set (into the hot flags), primary and status of one user. */
function settle(run: Run, slot: number, { cause, touch }: { cause: RecordCause; touch: Touch }): Status {
  const { engine } = run
  const { users, active, policy } = engine
  const personas = active.names.length
  const score: Row = { values: users.scores, offset: slot * personas }
  const held = { values: users.held, offset: slot * personas }
  const options = { policy: policy.decision, carried: active.carried }
  const weight = users.weight[slot]!
  if (weight >= policy.decision.weightMin && landed(score, { weight, personas }, policy.decision)) {
    users.sampled[slot] = undefined
    users.primary[slot] = decideHeld(score, held, options)
    return 'inferred'
  }
  if (touch === 're-walk' && users.sampled[slot] !== undefined) return 'inferred' // the snapshot stands
  users.sampled[slot] =
    touch === 'own event' && weight >= policy.decision.weightMin ? longerWalks(run, slot, cause) : undefined
  const sampled = users.sampled[slot]
  if (sampled !== undefined) {
    users.primary[slot] = decideHeld({ values: sampled.scores, offset: 0 }, held, options)
    return 'inferred'
  }
  users.held.fill(0, held.offset, held.offset + personas)
  users.primary[slot] = -1
  return 'unknown'
}

function longerWalks(run: Run, slot: number, cause: RecordCause): SampledScores | undefined {
  const { engine } = run
  const { users, policy, active } = engine
  if (policy.sampling.walksMax === 0 || active.meta.prototypes === 0) return undefined
  const rng = rngFor({ seed: policy.seed, text: users.userId[slot]!, position: cause.position })
  return sampleLongerWalks(graphOf(run), users.index[slot]!, {
    personas: active.names.length,
    policy: policy.sampling,
    rng,
  })
}

function graphOf({ engine, tx }: Run): WalkGraph {
  const { products, active, policy } = engine
  const where = { store: tx, version: active.meta.version }
  return {
    weightMax: edgeWeightMaxOf(policy.repeat),
    drawProduct: (user, rng, edge) => tx.drawProduct(user as UserIndex, rng, edge),
    drawUser: (product, rng, edge) => tx.drawUser(product as ProductIndex, rng, edge),
    publishedOf: (product, out) => {
      const { values, offset } = products.published(product as ProductIndex, where)
      for (let c = 0; c < out.length; c++) out[c] = values[offset + c]!
    },
  }
}

function sameAsHeld({ engine: { users } }: Run, slot: number, before: QuickAnswer): boolean {
  if (before.status !== users.status(slot) || before.primaryIndex !== users.primary[slot]) return false
  const from = slot * users.personas
  let count = 0
  for (let c = 0; c < users.personas; c++) count += users.held[from + c]!
  return count === before.held.length && before.held.every((c) => users.held[from + c] === 1)
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

function namedBefore(
  { engine: { active } }: Run,
  _slot: number,
  { held, primaryIndex, status }: QuickAnswer,
): Answer {
  return {
    status,
    personas: held.map((c) => ({ persona: active.names[c]!, probability: 0 })),
    primary: active.names[primaryIndex],
  }
}

/** The products that carry most of the landing mass of what entered an exact walk; none for labels and samples. */
function evidenceFor(run: Run, slot: number, entered: readonly PersonaProbability[]): Evidence[] {
  const { engine, tx } = run
  const { users, active, products, neighbours } = engine
  if (entered.length === 0 || users.method(slot) !== 'exact') return []
  const indices = entered.map(({ persona }) => active.names.indexOf(persona))
  tx.productsOf(users.index[slot]!, neighbours)
  const found: { product: ProductIndex; contribution: number }[] = []
  let total = 0
  for (let i = 0; i < Math.min(neighbours.length, evidenceEdgesMax); i++) {
    const product = neighbours.ids[i] as ProductIndex
    const { values, offset } = products.published(product, { store: tx, version: active.meta.version })
    let contribution = 0
    for (const c of indices) contribution += neighbours.weights[i]! * values[offset + c]!
    total += contribution
    keepTop(found, { product, contribution })
  }
  const named = found.map(({ product, contribution }) => ({ ...tx.product(product)!, contribution }))
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
  const last = found[evidenceProductsMax - 1]
  if (last !== undefined && entry.contribution < last.contribution) return
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
