// Verification: the state recomputed from the edges as a batch job would, and every deviation counted (I1, I2).
import { edgeWeight, type RepeatPolicy } from '../core/edge.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import type { DecisionPolicy } from '../core/persona.ts'
import { priorOf, type ShareList } from '../core/prototype.ts'
import { exactVector, publishedDrift, rhoOf } from '../core/vector.ts'
import { newNeighbours, type UserRow } from '../store/port.ts'
import { totalOf } from './answer.ts'
import { type Decided, Decider, type Evidence } from './decider.ts'
import { activeVersionOf, labelsOf, type Snapshot } from './snapshot.ts'
import { type Walk, Walker } from './walk-anew.ts'

/**
 * `score_mismatches`: users whose stored answer is not what the walk says: a row as new as all its products must equal
 * it to the last bit, an older one lie within delta, and held set, primary and status must follow from the exact walk.
 * `vector_mismatches`: products whose B or M is not the sum over the prototypes' edges. `list_mismatches`: edges,
 * adjacency lists and counters that disagree. `max_published_drift`: greatest ||b̂ − b||₁ / rho.
 */
export type Verification = {
  users: number
  products: number
  edges: number
  score_mismatches: number
  exact_rows: number
  sampled_users: number
  vector_mismatches: number
  list_mismatches: number
  max_published_drift: number
  first_problems: string[]
}

export type VerifyPolicy = {
  readonly repeat: RepeatPolicy
  readonly delta: number
  readonly decision: DecisionPolicy
}

const problemsShown = 10

export function verify(snapshot: Snapshot, policy: VerifyPolicy): Verification {
  const { store } = snapshot
  const result: Verification = {
    users: 0,
    products: 0,
    edges: 0,
    score_mismatches: 0,
    exact_rows: 0,
    sampled_users: 0,
    vector_mismatches: 0,
    list_mismatches: 0,
    max_published_drift: 0,
    first_problems: [],
  }
  const version = activeVersionOf(store)
  const walker = new Walker(store, version)
  const decider = new Decider(store, { version, decision: policy.decision })
  const labels = labelsOf(store)
  const sums = new Map<ProductIndex, ProductSums>()
  for (const user of store.users()) {
    snapshot.check()
    result.users++
    verifyUser(
      { user, row: store.user(user)!, shares: labels.get(user) },
      { walker, decider, sums, policy, result },
    )
  }
  for (const product of store.products()) {
    snapshot.check()
    result.products++
    verifyProduct(product, sums.get(product), { snapshot, walker, result })
  }
  const { users, products, edges } = store.counters()
  for (const [what, counted, kept] of [
    ['users', result.users, users],
    ['products', result.products, products],
    ['edges', result.edges, edges],
  ] as const)
    if (counted !== kept)
      problem(result, 'list_mismatches', `${counted} ${what} are stored, the counter says ${kept}`)
  return result
}

/** What a product's row and list must say, summed over the users' edges. */
type ProductSums = { degree: number; weight: number; mass: number; b: Float64Array }
type Context = {
  walker: Walker
  decider: Decider
  sums: Map<ProductIndex, ProductSums>
  policy: VerifyPolicy
  result: Verification
}

function verifyUser(
  { user, row, shares }: { user: UserIndex; row: UserRow; shares: ShareList | undefined },
  context: Context,
): void {
  const { walker, sums, policy, result } = context
  const listed = new Map(walker.edges(user).map(({ product, weight }) => [product, weight]))
  let live = 0
  for (const { product, edge } of walker.store.edgesOf(user)) {
    const weight = edgeWeight(edge, policy.repeat)
    if (weight !== (listed.get(product) ?? 0))
      problem(
        result,
        'list_mismatches',
        `edge of ${row.userId} weighs ${weight}, its list says ${listed.get(product) ?? 0}`,
      )
    if (weight === 0) continue
    live++
    addTo(sums, product, { weight, shares, personas: walker.personas })
  }
  result.edges += live
  if (live !== listed.size)
    problem(result, 'list_mismatches', `${row.userId} has ${live} live edges, its list ${listed.size}`)
  if (shares !== undefined || row.status === 'prototype') return verifyPrototype(row, shares, context)
  if (row.method === 'sampled') result.sampled_users++
  const cause = scoreProblem(row, { ...walker.walk(user), edges: walker.edges(user) }, context)
  if (cause !== undefined) problem(result, 'score_mismatches', `user ${row.userId}: ${cause}`)
}

function verifyPrototype(row: UserRow, shares: ShareList | undefined, { result }: Context): void {
  const same =
    row.status === 'prototype' &&
    shares !== undefined &&
    shares.every(({ persona, share }) => row.scores[persona] === share) &&
    row.held.length === shares.length
  if (!same) problem(result, 'score_mismatches', `prototype ${row.userId} does not answer with its labels`)
}

function scoreProblem(
  row: UserRow,
  walk: Walk & Pick<Evidence, 'edges'>,
  { walker, policy, decider, result }: Context,
): string | undefined {
  if (row.version !== walker.version.version) return `row of version ${row.version}`
  if (row.weight !== walk.weight) return `W is ${row.weight}, from the edges ${walk.weight}`
  if (row.epoch !== 0 && decider.epoch(row.epoch) === undefined)
    return `row of epoch ${row.epoch}, which is gone`
  const before = new Uint8Array(walker.personas)
  for (const { persona } of row.held) before[persona] = 1
  const sampled = row.method === 'sampled' ? row.scores : undefined
  const decided = decider.decide({ ...walk, sampled }, { epoch: row.epoch, before })
  if (row.method === 'sampled') {
    if (decided.lands) return 'answered by a longer walk although the exact one lands'
  } else {
    const fresh = row.position > walk.publishedAt
    if (fresh && !row.scores.every((score, c) => score === walk.scores[c])) return 'S differs from the walk'
    if (fresh) result.exact_rows++
    else if (distance(row.scores, walk.scores) > policy.delta + 1e-12)
      return 'q is further than delta from the walk'
    if (fresh && !sameProbabilities(row, decided)) return 'probabilities differ from those of walk and words'
  }
  if (row.status !== decided.status) return `status ${row.status}, from the walk ${decided.status}`
  if (decided.held.some((value, c) => value !== before[c]))
    return 'the held set does not follow from the walk'
  return decided.primary === row.primary ? undefined : 'the primary does not follow from the walk'
}

function sameProbabilities({ epoch, probabilities }: UserRow, decided: Decided): boolean {
  if (epoch === 0 || decided.probabilities === undefined) return probabilities.every((p) => p === 0)
  return probabilities.every((p, c) => p === decided.probabilities![c])
}

function verifyProduct(
  product: ProductIndex,
  sums: ProductSums | undefined,
  { snapshot, walker, result }: { snapshot: Snapshot; walker: Walker; result: Verification },
): void {
  const { store, kappa } = snapshot
  const { productId } = store.product(product)!
  store.buyersOf(product, buyers)
  let weight = 0
  for (let i = 0; i < buyers.length; i++) weight += buyers.weights[i]!
  if (buyers.length !== (sums?.degree ?? 0) || weight !== (sums?.weight ?? 0))
    problem(
      result,
      'list_mismatches',
      `product ${productId} lists ${buyers.length} buyers, the edges say ${sums?.degree ?? 0}`,
    )
  const vector = store.vector(walker.version.version, product)
  const mass = vector?.mass ?? 0
  if (
    mass !== (sums?.mass ?? 0) ||
    !(vector?.b ?? new Float64Array(walker.personas)).every((value, c) => value === (sums?.b[c] ?? 0))
  )
    problem(result, 'vector_mismatches', `product ${productId}: B or M is not the sum over its prototypes`)
  if (vector === undefined) return
  const exact = new Float64Array(walker.personas)
  exactVector({ mass, b: vector.b, offset: 0 }, { kappa, delta: 0, prior: priorOf(walker.version) }, exact)
  const drift = publishedDrift(exact, vector.published, 0)
  result.max_published_drift = Math.max(
    result.max_published_drift,
    mass > 0 ? drift / rhoOf(mass, kappa) : drift,
  )
}

const buyers = newNeighbours()

function addTo(
  sums: Map<ProductIndex, ProductSums>,
  product: ProductIndex,
  { weight, shares, personas }: { weight: number; shares: ShareList | undefined; personas: number },
): void {
  const sum = sums.get(product) ?? { degree: 0, weight: 0, mass: 0, b: new Float64Array(personas) }
  sums.set(product, sum)
  sum.degree++
  sum.weight += weight
  if (shares === undefined) return
  sum.mass += weight
  for (const { persona, share } of shares) sum.b[persona]! += weight * share
}

function distance(a: Float64Array, b: Float64Array): number {
  const [sumA, sumB] = [totalOf(a), totalOf(b)]
  if (sumA === 0 || sumB === 0) return sumA === sumB ? 0 : 2
  let moved = 0
  for (let c = 0; c < a.length; c++) moved += Math.abs(a[c]! / sumA - b[c]! / sumB)
  return moved
}

function problem(
  result: Verification,
  kind: 'score_mismatches' | 'vector_mismatches' | 'list_mismatches',
  text: string,
): void {
  result[kind]++
  if (result.first_problems.length < problemsShown) result.first_problems.push(text)
}
