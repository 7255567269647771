// Explanation of one user's answer: which products and which prototypes carry it, and the one product whose removal
// would change it. Read from edges, labels and published vectors; nothing is guessed after the fact.
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { publishedOne, shareOne } from '../core/limits.ts'
import { type DecisionPolicy, decideHeld, landed } from '../core/persona.ts'
import type { ShareList } from '../core/prototype.ts'
import { rhoOf } from '../core/vector.ts'
import { newNeighbours, type StoreReader, type UserRow } from '../store/port.ts'
import { answerOf, type PersonasAnswer } from './answer.ts'
import { PersonaNames } from './names.ts'
import { activeVersionOf, labelsOf, type Snapshot } from './snapshot.ts'
import { type Walk, Walker } from './walk-anew.ts'

const productsShown = 10
const prototypesShown = 10
/** Products whose labelled buyers are looked at, greatest contribution first. */
const productsOpened = 50
/** Edges tried for the counterfactual. */
const edgesTried = 20_000

export type Explanation = PersonasAnswer & {
  /** Products by the share of the answer that they carry. */
  readonly products: readonly {
    product_id: string
    title: string | null
    weight: number
    share: number
    personas: Record<string, number>
  }[]
  /** Labelled users behind it: `share` of the answer that their purchases of those products carry. */
  readonly prototypes: readonly { user_id: string; share: number; personas: Record<string, number> }[]
  /** Share that comes from the base rates (the virtual prior buyer), not from any labelled buyer. */
  readonly prior_share: number
  /** The one product without which the answer is another (greatest first); null when there is none. */
  readonly counterfactual: {
    product_id: string
    title: string | null
    status: string
    personas: readonly string[]
    primary: string | null
  } | null
  readonly note?: string
}

/** Explains `userId`; undefined for a user never seen. */
export function explain(
  { store, kappa }: Snapshot,
  { userId, decision }: { userId: string; decision: DecisionPolicy },
): Explanation | undefined {
  const user = store.userIndexOf(userId)
  const row = user === undefined ? undefined : store.user(user)
  if (user === undefined || row === undefined) return undefined
  const names = new PersonaNames(store)
  const answer = answerOf(row, names)
  const nothing = { products: [], prototypes: [], prior_share: 0, counterfactual: null }
  if (row.status === 'prototype')
    return { ...answer, ...nothing, note: 'a prototype: it answers with its labels' }
  if (row.status === 'unknown') return { ...answer, ...nothing }
  if (row.method === 'sampled')
    return {
      ...answer,
      ...nothing,
      note: `by sampled longer walks (± ${row.halfWidth.toFixed(3)}): labelled users buy hardly any of this user's products, but buyers of them do`,
    }
  return { ...answer, ...explainExact(user, row, { store, kappa, decision }) }
}

type Context = { store: StoreReader; kappa: number; decision: DecisionPolicy }
type Carried = { product: ProductIndex; weight: number; contribution: number }

function explainExact(
  user: UserIndex,
  row: UserRow,
  { store, kappa, decision }: Context,
): Omit<Explanation, keyof PersonasAnswer> {
  const walker = new Walker(store, activeVersionOf(store))
  const held =
    row.held.length > 0
      ? row.held.map(({ persona }) => persona)
      : Array.from({ length: walker.personas }, (_, c) => c)
  const carried: Carried[] = walker.edges(user).map(({ product, weight }) => {
    const published = walker.vector(product)?.published
    return {
      product,
      weight,
      contribution: published === undefined ? 0 : weight * held.reduce((sum, c) => sum + published[c]!, 0),
    }
  })
  carried.sort((a, b) => b.contribution - a.contribution || a.product - b.product)
  const total = carried.reduce((sum, { contribution }) => sum + contribution, 0)
  const { prototypes, priorShare } = prototypesBehind(carried.slice(0, productsOpened), {
    walker,
    held,
    kappa,
    total,
  })
  return {
    products: carried
      .filter(({ contribution }) => contribution > 0)
      .slice(0, productsShown)
      .map((entry) => productLine(entry, { walker, total })),
    prototypes,
    prior_share: priorShare,
    counterfactual: counterfactualOf(walker.walk(user), carried, { walker, row, decision }),
  }
}

function productLine(
  { product, weight, contribution }: Carried,
  { walker, total }: { walker: Walker; total: number },
): Explanation['products'][number] {
  const { productId, title } = walker.store.product(product)!
  const published = walker.vector(product)!.published
  const mass = published.reduce((sum, value) => sum + value, 0)
  return {
    product_id: productId,
    title: title ?? null,
    weight: weight / 1000,
    share: contribution / total,
    personas: byName(walker, (c) => published[c]! / mass),
  }
}

/** Labelled buyers of the products, by what their labels bring of the held personas: w·rho·w(k,p)·l_k / (M + kappa). */
function prototypesBehind(
  carried: readonly Carried[],
  { walker, held, kappa, total }: { walker: Walker; held: readonly number[]; kappa: number; total: number },
) {
  const labels = labelsOf(walker.store)
  const found = new Map<UserIndex, number>()
  const buyers = newNeighbours()
  let labelled = 0
  let opened = 0
  for (const { product, weight, contribution } of carried) {
    if (contribution === 0) continue
    const { mass } = walker.vector(product)!
    const scale = (weight * rhoOf(mass, kappa) * publishedOne) / (mass + kappa) / shareOne
    walker.store.buyersOf(product, buyers)
    for (let i = 0; i < buyers.length; i++) {
      const shares = labels.get(buyers.ids[i] as UserIndex)
      if (shares === undefined) continue
      const brought = scale * buyers.weights[i]! * shareOf(shares, held)
      found.set(buyers.ids[i] as UserIndex, (found.get(buyers.ids[i] as UserIndex) ?? 0) + brought)
      labelled += brought
    }
    opened += contribution
  }
  const prototypes = [...found]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, prototypesShown)
    .map(([index, brought]) => ({
      user_id: walker.store.user(index)!.userId as string,
      share: brought / total,
      personas: Object.fromEntries(
        labels
          .get(index)!
          .map(({ persona, share }) => [walker.version.personas[persona]!.name, share / shareOne]),
      ),
    }))
  return { prototypes, priorShare: opened > 0 ? Math.max(0, 1 - labelled / opened) : 0 }
}

/** The first product, greatest contribution first, without which held set, primary or status would differ. */
function counterfactualOf(
  walk: Walk,
  carried: readonly Carried[],
  { walker, row, decision }: { walker: Walker; row: UserRow; decision: DecisionPolicy },
): Explanation['counterfactual'] {
  const carriedPersonas = Uint8Array.from(walker.version.shareSums, (sum) => (sum > 0 ? 1 : 0))
  for (const { product, weight } of carried.slice(0, edgesTried)) {
    const published = walker.vector(product)?.published
    const scores =
      published === undefined ? walk.scores : walk.scores.map((value, c) => value - weight * published[c]!)
    const score = { values: scores, offset: 0 }
    const left = { weight: walk.weight - weight, personas: walker.personas }
    const held = new Uint8Array(walker.personas)
    for (const { persona } of row.held) held[persona] = 1
    const before = held.slice()
    const lands = left.weight >= decision.weightMin && landed(score, left, decision)
    if (!lands) held.fill(0)
    const primary = lands
      ? decideHeld(score, { values: held, offset: 0 }, { policy: decision, carried: carriedPersonas })
      : -1
    if (lands && primary === row.primary && held.every((value, c) => value === before[c])) continue
    const { productId, title } = walker.store.product(product)!
    const names = walker.version.personas.map(({ name }) => name)
    return {
      product_id: productId,
      title: title ?? null,
      status: lands ? 'inferred' : 'unknown',
      personas: names.filter((_, c) => held[c] === 1),
      primary: names[primary] ?? null,
    }
  }
  return null
}

function shareOf(shares: ShareList, held: readonly number[]): number {
  let sum = 0
  for (const { persona, share } of shares) if (held.includes(persona)) sum += share
  return sum
}

function byName(walker: Walker, share: (persona: number) => number): Record<string, number> {
  return Object.fromEntries(walker.version.personas.map(({ name }, c) => [name, share(c)]))
}
