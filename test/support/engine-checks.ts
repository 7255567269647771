// What must hold after a record: the engine's state and change events against the oracle's, part by part.
import assert from 'node:assert/strict'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import type { ProductIndex } from '../../src/core/ids.ts'
import type { StoreReader } from '../../src/store/port.ts'
import {
  batch,
  distanceOf,
  distributionOf,
  driftRatioOf,
  type OracleInputs,
  type OracleScore,
  scoreOf,
} from '../oracle/batch.ts'
import { type OracleEdges, weightsOf } from '../oracle/edges.ts'
import { foldChanges } from '../oracle/fold.ts'
import type { OracleRecord } from '../oracle/model.ts'
import type { OracleStream } from '../oracle/stream.ts'
import type { Rig } from './engine-harness.ts'
import { logName } from './engine-records.ts'
import type { Step } from './engine-steps.ts'
import { type EngineView, exactScoreOf, hotScoreOf, inOrder, oracleChangesOf, viewOf } from './engine-view.ts'

/** The engine, and the edges and prototypes that the oracle has at this point. */
type Checked = { readonly rig: Rig; readonly oracle: OracleInputs }

/** The change events of one record, as sets of names, one a user. */
export function checkChanges({ position, offset, outcome, lines }: Step): void {
  const positions = new Array<number>(offset + 1).fill(position)
  assert.deepEqual(oracleChangesOf(lines, positions), inOrder(outcome.changes), `changes at ${position}`)
}

/** Each names the record that caused it, at its offset and time, by an id of its own. */
export function checkCauses({ record, offset, lines, streamMs, rig }: Step): void {
  for (const line of lines) {
    const { cause, occurred_at, prototype_set_version } = JSON.parse(line) as ChangeEvent
    const { version } = rig.store.counters()
    const names = { import: `prototypes:${version}`, erase: `erase:${offset}` }
    assert.deepEqual(cause, {
      event_id: record.kind === 'event' ? record.event_id : names[record.kind],
      source: logName,
      position: offset,
    })
    const atMs = record.kind === 'event' ? Date.parse(record.ts) : Math.max(0, streamMs)
    assert.equal(Date.parse(occurred_at), atMs, 'time of the change')
    assert.equal(prototype_set_version, version)
  }
  const ids = lines.map((line) => (JSON.parse(line) as ChangeEvent).event_id)
  assert.equal(new Set(ids).size, ids.length, 'ids of change events')
}

/** Probabilities are q (label shares of a prototype) as of this record, to six decimals, greatest first. */
export function checkProbabilities({ lines, oracle }: Step): void {
  if (lines.length === 0) return
  const { users, personas } = oracle.state()
  for (const line of lines) {
    const change = JSON.parse(line) as ChangeEvent
    const { W, S } = users.get(change.user_id)!
    const q = distributionOf({ W, S: S ?? oracle.set.shares.get(change.user_id)! })
    for (const { persona, probability } of [...change.entered, ...change.exited, ...change.personas])
      assert.equal(probability, rounded(q[personas.indexOf(persona)] ?? 0), `probability of ${persona}`)
    const probabilities = change.personas.map(({ probability }) => probability)
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((a, b) => b - a),
    )
  }
}

/** Evidence: the three products that carry most of the landing mass of what entered; ties by product id. */
export function checkEvidence({ lines, oracle }: Step): void {
  if (lines.length === 0) return
  const { products, personas } = oracle.state()
  for (const line of lines) {
    const { user_id, entered, evidence, status } = JSON.parse(line) as ChangeEvent
    const carried = weightsOf(oracle.edges.get(user_id), oracle.config.repeat)
      .map(([product_id, weight]) => {
        const { published } = products.get(product_id)!
        const shares = entered.map(({ persona }) => published[personas.indexOf(persona)]!)
        return { product_id, mass: weight * shares.reduce((sum, share) => sum + share, 0) }
      })
      .filter(({ mass }) => mass > 0)
    const total = carried.reduce((sum, { mass }) => sum + mass, 0)
    const best = carried
      .sort((a, b) => b.mass - a.mass || (a.product_id < b.product_id ? -1 : 1))
      .slice(0, status === 'prototype' ? 0 : 3)
      .map(({ product_id, mass }) => ({ product_id, share: rounded(mass / total) }))
    assert.deepEqual(
      evidence.map(({ product_id, share }) => ({ product_id, share })),
      best,
      `evidence of ${user_id}`,
    )
  }
}

/** Users and products of the store are the oracle's, to the last bit. */
export function checkState(store: StoreReader, oracle: OracleStream): void {
  const view = viewOf(store)
  const state = oracle.state()
  assert.deepEqual(view.personas, state.personas)
  checkEdges(view, oracle.edges)
  const users = new Map(
    [...view.users].map(([id, { status, sequence, held, primary, exact }]) => [
      id,
      { status, sequence, W: exact?.W, S: exact?.S, held: Object.keys(held).sort(), primary },
    ]),
  )
  const expected = new Map(
    [...state.users].map(([id, { status, sequence, W, S, held, primary }]) => [
      id,
      {
        status,
        sequence,
        W: status === 'prototype' ? undefined : W,
        S: S ?? undefined,
        held: [...held].sort(),
        primary,
      },
    ]),
  )
  assert.deepEqual(users, expected)
  const products = new Map([...view.products].map(([id, { M, B, published }]) => [id, { M, B, published }]))
  assert.deepEqual(
    products,
    new Map([...state.products].map(([id, { M, B, published }]) => [id, { M, B, published }])),
  )
}

/** Stored edges are the sums of the events that counted; one of nothing but zeros is not stored. */
export function checkEdges(view: EngineView, edges: OracleEdges): void {
  for (const [id, user] of view.users) {
    const stored = Object.entries(user.edges).map(([product, edge]) => [product, sumsOf(edge as StoredEdge)])
    const expected = [...(edges.get(id) ?? [])]
      .filter(([, { quantity, views, carts, reviews }]) => quantity !== 0 || views + carts + reviews > 0)
      .map(([product, { quantity: net, views, carts, reviews }]) => [product, { net, views, carts, reviews }])
    assert.deepEqual(new Map(stored as never), new Map(expected as never), `edges of ${id}`)
  }
}

type StoredEdge = { net: number; views: number; carts: number; reviews: number }

function sumsOf({ net, views, carts, reviews }: StoredEdge): StoredEdge {
  return { net, views, carts, reviews }
}

/** I1: hot scores, W of every row, and S of the rows of hot users once written, are the walk over published vectors. */
export function checkScores({ rig, oracle }: Checked): { hot: number } {
  const { store, engine } = rig
  const published = publishedOf(store)
  let hot = 0
  for (const user of store.users()) {
    const row = store.user(user)!
    if (oracle.set.shares.has(row.userId)) continue
    const score = scoreOf({
      userEdges: oracle.edges.get(row.userId),
      published: (product) => published.get(product),
      personaCount: oracle.set.personas.length,
      config: oracle.config,
    })
    assert.equal(row.weight, score.W, `I1: W of ${row.userId} as stored`)
    assert.deepEqual(exactScoreOf(store, user, score.S.length), score, 'I1: the store’s lists and vectors')
    const inMemory = hotScoreOf(engine, user)
    if (inMemory !== undefined) assert.deepEqual(inMemory, score, `I1: ${row.userId} in memory`)
    if (inMemory !== undefined) hot++
    checkRow(row, score, rig.policy.delta)
  }
  return { hot }
}

/** What a lookup shows of an exact walk is within delta of the score. */
function checkRow(
  { userId, method, scores }: ReturnType<StoreReader['user']> & {},
  score: OracleScore,
  delta: number,
): void {
  if (method !== 'exact') return
  const distance = distanceOf(distributionOf({ W: 0, S: [...scores] }), distributionOf(score))
  assert.ok(distance <= delta + 1e-12, `row of ${userId} is off by ${distance}`)
}

/** I1, stored: after a checkpoint the rows of hot users hold the very scores. */
export function checkRowsWritten({ rig }: Pick<Step, 'rig'>): void {
  rig.checkpoint()
  const { store, engine } = rig
  for (const user of store.users()) {
    const hot = hotScoreOf(engine, user)
    const { userId, scores, scoreWeight, method, status } = store.user(user)!
    if (hot === undefined || status === 'prototype' || method === 'sampled') continue
    assert.deepEqual({ W: scoreWeight, S: [...scores] }, hot, `I1: row of ${userId}`)
  }
}

function publishedOf(store: StoreReader): Map<string, readonly number[]> {
  const { version } = store.counters()
  const published = new Map<string, readonly number[]>()
  for (const product of store.products()) {
    const vector = store.vector(version, product as ProductIndex)
    if (vector !== undefined) published.set(store.product(product)!.productId, [...vector.published])
  }
  return published
}

/** I2: no product has drifted by more than delta · rho, and no user's q by more than 2 · delta / (1 − delta). */
export function checkFreshness({ rig, oracle }: Checked): void {
  const { edges, set, config } = oracle
  const view = viewOf(rig.store)
  const exact = batch({ edges, set, config, products: view.products.keys() })
  for (const [id, product] of exact.products) {
    const { M, B, published } = view.products.get(id)!
    assert.deepEqual({ M, B }, { M: product.M, B: product.B }, `M and B of ${id}`)
    const ratio = driftRatioOf({ published, product, delta: config.delta })
    assert.ok(ratio <= 1, `I2: ${id} drifted by ${ratio} of what it may`)
  }
  const bound = (2 * config.delta) / (1 - config.delta)
  for (const [id, user] of view.users) {
    if (user.exact === undefined) continue
    const distance = distanceOf(distributionOf(user.exact), exact.walks.get(id)?.q ?? [])
    assert.ok(distance <= bound, `I2: q of ${id} is off by ${distance}`)
  }
}

export function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

/** I6: the engine's change events, folded, are its users. Returns how many users have any. */
export function checkFold({
  records,
  positions,
  changes,
  view,
}: {
  records: readonly OracleRecord[]
  /** The oracle's position by offset. */
  positions: readonly number[]
  changes: readonly string[]
  view: EngineView
}): number {
  const folds = foldChanges({ records, changes: oracleChangesOf(changes, positions) })
  const nothing = { status: 'unknown', sequence: 0, held: new Set(), primary: null }
  for (const [id, { status, sequence, held, primary }] of view.users)
    assert.deepEqual(folds.get(id) ?? nothing, {
      status,
      sequence,
      held: new Set(Object.keys(held)),
      primary,
    })
  for (const id of folds.keys()) assert.ok(view.users.has(id), `change events of ${id}, who is not there`)
  return folds.size
}
