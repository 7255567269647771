// Prototype-set versions: an import is built beside the running version and switched to by a control record.
import type { Answer } from '../core/change.ts'
import type { PrototypeImport } from '../core/event.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { type PrototypeVersion, primaryOfShares, type ShareList, shareSumsOf } from '../core/prototype.ts'
import { exactVector, roundVector } from '../core/vector.ts'
import type { PendingLabel, StoreReader, UserRow } from '../store/port.ts'
import { addUser } from './apply-event.ts'
import { calibrateNow } from './calibrate.ts'
import { decideUser, emitIfChanged } from './decide-user.ts'
import { activate, activeVersion, type Engine } from './engine.ts'
import { type RecordCause, type Run, warm, writeDirty } from './run.ts'
import { Shadow } from './shadow.ts'

/** Takes an import in: it becomes the pending version unless its content is active or pending already. */
export function beginImport(run: Run, { set, at }: { set: PrototypeImport; at: number | undefined }): void {
  const { engine, tx } = run
  const pending = tx.pendingImport()
  if ((pending?.version.hash ?? engine.active.meta.hash) === set.hash) return
  if (engine.active.meta.hash === set.hash) {
    tx.dropPendingImport() // back to what is active: the change in between never happens
    engine.shadow = undefined
    return
  }
  const prototypes = set.prototypes.filter(({ note }) => note?.heldOut !== true)
  const version: PrototypeVersion = {
    version: ++tx.count.versions,
    hash: set.hash,
    personas: set.personas,
    shareSums: shareSumsOf(
      prototypes.map(({ shares }) => shares),
      set.personas.length,
    ),
    prototypes: prototypes.length,
  }
  tx.putPendingImport({ version, at }, set.prototypes)
  engine.shadow = shadowOf(tx)
}

/** The shadow of the pending import, to be built; undefined when none is pending. */
export function shadowOf(store: StoreReader): Shadow | undefined {
  const pending = store.pendingImport()
  if (pending === undefined) return undefined
  const { version, personas } = pending.version
  return new Shadow({ version, personas: personas.length, labels: prototypesOf(store) })
}

function* prototypesOf(store: StoreReader): Generator<PendingLabel> {
  for (const label of store.pendingLabels()) if (label.note?.heldOut !== true) yield label
}

/** Switches to the pending version: new vectors, and every user decided anew with what it held carried over by name. */
export function switchVersion(run: Run, version: number, cause: RecordCause): void {
  const { engine, tx } = run
  const pending = tx.pendingImport()
  if (pending?.version.version !== version) return // superseded by a later import
  if (engine.shadow?.version !== version) engine.shadow = shadowOf(tx)
  const shadow = engine.shadow!
  while (!shadow.complete) shadow.build(tx, Number.MAX_SAFE_INTEGER)
  // labels erased since the import count for nothing: constants are those of the labels that are left
  const meta: PrototypeVersion = {
    ...pending.version,
    shareSums: shareSumsOf(shadow.labels.values(), pending.version.personas.length),
    prototypes: shadow.labels.size,
  }
  const when = tx.count.streamTs >= 0 ? tx.count.streamTs : (pending.at ?? 0)
  writeDirty(run, true)
  const before = engine.active.names
  const old = engine.active.meta.version
  publishAll(run, shadow, meta)
  tx.putVersion(meta)
  tx.count.version = version
  const labels = labelUsers(run, shadow, version)
  activate(engine, activeVersion(meta, engine.policy, labels), tx)
  engine.shadow = undefined
  tx.dropPendingImport()
  beginEpochOf(run)
  for (const user of [...tx.users()]) carryOver(run, user, { names: before, cause: { ...cause, ts: when } })
  if (old > 0) tx.dropVersion(old)
}

/** Fits to the new version's prototypes, if they have evidence enough; the users are decided under it one by one. */
function beginEpochOf(run: Run): void {
  const { count } = run.tx
  count.epoch = 0
  count.sweepNext = count.sweepEnd
  calibrateNow(run, 'version')
  const epoch = run.engine.calibrated?.epoch
  run.tx.dropEpochs({ epoch: epoch?.epoch ?? count.epochs + 1, head: epoch?.head || count.heads + 1 })
}

/** Every product's vector of the new version, published as it is: before the rows that this record writes. */
function publishAll({ engine, tx }: Run, shadow: Shadow, meta: PrototypeVersion): void {
  const { policy } = activeVersion(meta, engine.policy, [])
  const exact = new Float64Array(meta.personas.length)
  for (const [product, { mass, b }] of shadow.vectors) {
    if (mass === 0) continue
    exactVector({ mass, b, offset: 0 }, policy, exact)
    const published = new Float64Array(exact.length)
    roundVector(exact, published, 0)
    tx.putVector(meta.version, product as ProductIndex, {
      mass,
      b,
      published,
      publishedAt: tx.count.position,
    })
  }
}

/** Labels by user index; a prototype never seen becomes a known user. */
function labelUsers(
  run: Run,
  shadow: Shadow,
  version: number,
): { userIndex: UserIndex; shares: ShareList }[] {
  const { tx } = run
  const labels: { userIndex: UserIndex; shares: ShareList }[] = []
  for (const [userId, shares] of shadow.labels) {
    const userIndex = tx.userIndexOf(userId) ?? addUser(run, userId as UserRow['userId'])
    tx.putLabels(version, userIndex, shares)
    labels.push({ userIndex, shares })
  }
  for (const { userId, shares, note } of [...tx.pendingLabels()]) {
    if (note === undefined) continue
    const userIndex = tx.userIndexOf(userId) ?? addUser(run, userId)
    tx.putLabelNote(version, userIndex, { shares, note })
  }
  writeDirty(run, true)
  return labels
}

/** One user from the old version's row to the new version: held personas by name, then labels or the decision. */
function carryOver(
  run: Run,
  user: UserIndex,
  { names, cause }: { names: readonly string[]; cause: RecordCause },
): void {
  const { engine, tx } = run
  const { users, active } = engine
  const row = tx.user(user)!
  const previous = answerOf(row, names)
  const held = row.held
    .map(({ persona, since }) => ({ persona: active.names.indexOf(names[persona]!), since }))
    .filter(({ persona }) => persona >= 0)
  const slot = warm(run, user, {
    ...row,
    version: active.meta.version,
    method: 'none',
    scores: new Float64Array(active.names.length),
    held,
    primary: -1,
    epoch: 0,
    probabilities: new Float64Array(0),
  })
  const shares = active.labels.get(user)
  if (shares === undefined) {
    if (users.weight[slot]! > 0) tx.count.rewalks++
    decideUser(run, slot, { cause, touch: 'new version', previous })
  } else {
    setLabels(engine, slot, shares)
    emitIfChanged(run, slot, { cause, before: previous })
  }
  users.touch(slot)
}

/** A prototype answers with its labels: shares as scores, held as far as they are above zero. */
function setLabels({ users }: Engine, slot: number, shares: ShareList): void {
  const from = slot * users.personas
  users.held.fill(0, from, from + users.personas)
  users.scores.fill(0, from, from + users.personas)
  for (const { persona, share } of shares) {
    users.held[from + persona] = 1
    users.scores[from + persona] = share
  }
  users.weight[slot] = 0
  users.primary[slot] = primaryOfShares(shares)
  users.setAnswer(slot, 'prototype', 'none')
}

function answerOf({ status, held, primary }: UserRow, names: readonly string[]): Answer {
  return {
    status,
    personas: held.map(({ persona }) => ({ persona: names[persona]!, probability: 0 })),
    primary: names[primary],
  }
}

/** The name of a switch in change events. */
export function switchCause(version: number): string {
  return `prototypes:${version}`
}
