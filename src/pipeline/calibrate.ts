// Epochs: when a fit is due, making it within the record that made it due, and deciding users anew by a sweep. Position and
// prototypes' edges alone say when, so that the same records give the same epochs.
import type { ContentFit } from '../core/content.ts'
import { type Epoch, type EpochCause, nextFitAt, nextHeadAt } from '../core/epoch.ts'
import { calibrateBest, evidencesOf, fitHead } from '../core/fit.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import type { LabelledGraph } from '../core/labelled.ts'
import { shareOne } from '../core/limits.ts'
import { textUnder } from '../store/port.ts'
import { Calibrated } from './calibrated.ts'
import { decideUser } from './decide-user.ts'
import { readLabelled } from './labelled.ts'
import { heat, type RecordCause, type Run, writeDirty } from './run.ts'

/** Fits if an event made a fit due: enough prototypes have evidence for a first one, or their edges grew by a quarter. */
export function calibrateIfDue(run: Run): void {
  const { engine, tx } = run
  const { calibrated, prototypes, policy } = engine
  if (!enough(run)) return
  if (calibrated === undefined) return begin(run, 'evidence')
  const swept = tx.count.sweepNext >= tx.count.sweepEnd
  if (swept && prototypes.edges >= nextFitAt(calibrated.epoch) && policy.calibration.sweepUsers > 0)
    begin(run, 'growth')
}

/** Fits now, if there is enough to fit to; users are decided anew by whoever calls. */
export function calibrateNow(run: Run, cause: 'command' | 'version'): boolean {
  if (!enough(run)) return false
  fit(run, cause)
  return true
}

/** Fits now and decides everybody under it, within this record. */
export function recalibrate(run: Run, cause: RecordCause): void {
  if (!calibrateNow(run, 'command')) return
  for (const user of [...run.tx.users()]) decideUnder(run, user, cause)
  endSweep(run)
}

/** The next users of the sweep after an event; whoever was decided under the epoch meanwhile is passed over. */
export function sweep(run: Run, cause: RecordCause): void {
  const { count } = run.tx
  if (count.sweepNext >= count.sweepEnd) return
  const named = { ...cause, eventId: `calibration:${count.epoch}`, ts: Math.max(0, count.streamTs) }
  const end = Math.min(count.sweepEnd, count.sweepNext + run.engine.policy.calibration.sweepUsers)
  for (let user = count.sweepNext; user < end; user++) decideUnder(run, user as UserIndex, named)
  count.sweepNext = end
  if (end === count.sweepEnd) endSweep(run)
}

function enough({ engine: { policy, prototypes } }: Run): boolean {
  const { prototypesMin } = policy.calibration
  return prototypesMin > 0 && prototypes.prototypes >= prototypesMin
}

function begin(run: Run, cause: EpochCause): void {
  fit(run, cause)
  run.tx.count.sweepNext = 0
  run.tx.count.sweepEnd = run.tx.count.userIndices
}

/** Makes the next epoch from the prototypes' edges as they are, and makes it the running one. */
function fit({ engine, tx }: Run, cause: EpochCause): void {
  writeDirty({ engine, tx }, true) // scores that moved since they were decided have their probabilities by this epoch still
  const { active, policy, prototypes } = engine
  const asked = cause === 'command' || cause === 'version'
  const kept = asked ? undefined : keptHead({ engine, tx })
  const graph = readLabelled(tx, {
    labels: labelsInOrder({ engine, tx }),
    personas: active.names,
    repeat: policy.repeat,
    // under a fit of words that is kept, a product says what it said to everybody
    ...(kept && { textOf: (product: ProductIndex) => textUnder(tx.product(product)!, kept.number) }),
  })
  const head = kept ?? newHead({ engine, tx }, graph)
  const landingMassMin = policy.decision.landingMassMin
  const evidences = evidencesOf(graph, graph.users, {
    head: head.fit,
    policy: { kappa: policy.kappa, landingMassMin },
    prior: active.policy.prior,
  })
  const { calibration, evidence } = calibrateBest(evidences)
  const { enter, exitRatio } = policy.calibration
  const chosen = enter > 0 ? { ...calibration, enter } : calibration
  const epoch: Epoch = {
    epoch: ++tx.count.epochs,
    version: active.meta.version,
    cause,
    position: tx.count.position,
    prototypes: prototypes.prototypes,
    edges: prototypes.edges,
    evidence,
    calibration: chosen,
    exit: chosen.enter * exitRatio,
    head: head.number,
    headEdges: head.edges,
    landingPerPurchase: evidences.landingPerPurchase,
    landingMassMin,
  }
  tx.putEpoch(epoch)
  tx.count.epoch = epoch.epoch
  engine.calibrated = new Calibrated(epoch, {
    model: head.fit?.model,
    prior: active.policy.prior,
    carried: active.carried,
  })
}

type Head = { readonly number: number; readonly edges: number; readonly fit: ContentFit | undefined }

/** The content fit of the epoch before, until the prototypes' edges have doubled since. */
function keptHead({ engine: { calibrated, prototypes, policy }, tx }: Run): Head | undefined {
  const before = calibrated?.epoch
  if (before === undefined || before.head === 0 || !policy.calibration.words) return undefined
  if (prototypes.edges >= nextHeadAt(before)) return undefined
  return { number: before.head, edges: before.headEdges, fit: tx.contentFit(before.head) }
}

function newHead({ engine, tx }: Run, graph: LabelledGraph): Head {
  const { prototypes, policy } = engine
  if (!policy.calibration.words) return { number: 0, edges: 0, fit: undefined }
  const fitted = fitHead(graph, graph.users)
  if (fitted === undefined) return { number: 0, edges: 0, fit: undefined }
  const number = ++tx.count.heads
  tx.putContentFit(number, fitted)
  return { number, edges: prototypes.edges, fit: fitted }
}

/** Prototypes by index, so that a restart changes nothing. */
function* labelsInOrder({ engine: { active }, tx }: Run) {
  for (const userIndex of [...active.labels.keys()].sort((a, b) => a - b)) {
    const shares = active.labels.get(userIndex)!
    if (tx.userDegree(userIndex) > 0)
      yield {
        userIndex,
        userId: tx.user(userIndex)!.userId,
        shares: shares.map(({ persona, share }) => ({ persona, share: share / shareOne })),
      }
  }
}

/** Decides one user anew if they were last decided under another epoch. */
function decideUnder(run: Run, user: UserIndex, cause: RecordCause): void {
  const { engine, tx } = run
  if (engine.active.labels.has(user)) return
  const hot = engine.users.slotOf(user)
  if (hot === undefined && tx.user(user) === undefined) return // erased
  const slot = hot ?? heat(run, user)
  if (engine.users.epoch[slot] === engine.calibrated?.epoch.epoch) return
  decideUser(run, slot, { cause, touch: 'sweep' })
}

/** Everybody is decided under the running epoch: earlier ones are spoken of no more. */
function endSweep({ engine: { calibrated }, tx }: Run): void {
  tx.count.sweepNext = tx.count.sweepEnd
  if (calibrated === undefined) return
  const { epoch, head } = calibrated.epoch
  tx.dropEpochs({ epoch, head: head > 0 ? head : tx.count.heads + 1 })
}
