// Stage decide: from one user's scores to held set, primary and status; what became different goes to the outbox.
import { encodeChange } from '../codec/change-event.ts'
import {
  type Answer,
  differenceOf,
  type Evidence,
  type PersonaProbability,
  topEvidence,
} from '../core/change.ts'
import type { ProductIndex } from '../core/ids.ts'
import { evidenceEdgesMax, evidenceProductsMax } from '../core/limits.ts'
import type { Status } from '../core/persona.ts'
import { scoreTotal } from '../core/walk.ts'
import { refreshProbabilities } from './odds.ts'
import type { RecordCause, Run } from './run.ts'
import { settle, type Touch } from './settle.ts'

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
  const { status: now, method, held } = settle(run, slot, { cause, touch })
  const epoch = run.engine.calibrated?.epoch.epoch ?? 0
  if (method !== users.method(slot) || epoch !== users.epoch[slot]) users.touch(slot)
  users.epoch[slot] = epoch
  users.setAnswer(slot, now, method)
  const changed = users.hold(slot, held) || now !== status || users.primary[slot] !== primary
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
  refreshProbabilities(run, slot)
  const probability = probabilitiesOf(run, slot)
  keepSince(run, slot, cause.ts)
  const after = namedAnswer(run, slot, [...users.since[slot]!.keys()])
  const difference = differenceOf(before, after, (name) => rounded(probability(active.names.indexOf(name))))
  users.touch(slot)
  if (difference === undefined) return false
  users.sequence[slot]!++
  const { tally } = engine
  tally.entered += difference.entered.length
  tally.exited += difference.exited.length
  if (after.primary !== before.primary) tally.primary++
  if (after.status !== before.status) tally.status++
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

/** Held personas keep their time, new ones begin now; kept in order of persona index. */
function keepSince({ engine: { users } }: Run, slot: number, ts: number): void {
  const before = users.since[slot]!
  const since = new Map<number, number>()
  for (let c = 0; c < users.personas; c++)
    if (users.held[slot * users.personas + c] === 1) since.set(c, before.get(c) ?? ts)
  users.since[slot] = since
}

/** Probability of a persona by index: calibrated, else q (or label share); 0 for one that the version does not know. */
function probabilitiesOf({ engine: { users } }: Run, slot: number): (persona: number) => number {
  const from = slot * users.personas
  if (users.epoch[slot] !== 0 && users.status(slot) !== 'prototype')
    return (persona) => (persona < 0 ? 0 : users.probabilities[from + persona]!)
  const sampled = users.sampled[slot]
  const row = sampled ? { values: sampled.scores, offset: 0 } : { values: users.scores, offset: from }
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
