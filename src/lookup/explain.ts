// Explanation of one user's answer: which products and which prototypes carry it, and the one product whose removal
// would change it. Read from edges, labels and published vectors; nothing is guessed after the fact.

import { contentOne } from '../core/content.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { publishedOne, shareOne } from '../core/limits.ts'
import type { ShareList } from '../core/prototype.ts'
import { rhoOf } from '../core/vector.ts'
import { newNeighbours, type StoreReader, type UserRow } from '../store/port.ts'
import { answerOf, type PersonasAnswer } from './answer.ts'
import { Decider, type Evidence, type Parts } from './decider.ts'
import { PersonaNames } from './names.ts'
import { activeVersionOf, labelsOf, type Snapshot } from './snapshot.ts'
import { Walker } from './walk-anew.ts'

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
    /** What its words say of the held personas, log odds at a single purchase; null where words are not read. */
    words: Record<string, number> | null
  }[]
  /** Log odds of each held persona by where they come from; null before the first fit. */
  readonly parts: Readonly<Record<string, Parts>> | null
  /** Labelled users behind it: `share` of the answer that their purchases of those products carry. */
  readonly prototypes: readonly {
    user_id: string
    share: number
    personas: Record<string, number>
    /** Who labelled them and why so, where it is known. */
    labeller?: string | undefined
    rationale?: string | undefined
  }[]
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
  /** Of a prototype: who labelled it, and why so. */
  readonly labeller?: string
  readonly rationale?: string
}

/** Explains `userId`; undefined for a user never seen. */
export function explain(
  { store, kappa, decision }: Snapshot,
  { userId }: { userId: string },
): Explanation | undefined {
  const user = store.userIndexOf(userId)
  const row = user === undefined ? undefined : store.user(user)
  if (user === undefined || row === undefined) return undefined
  const names = new PersonaNames(store)
  const answer = answerOf(row, names)
  const nothing = { products: [], prototypes: [], prior_share: 0, counterfactual: null, parts: null }
  if (row.status === 'prototype')
    return {
      ...answer,
      ...nothing,
      ...labelNoteOf(store, user),
      note: 'a prototype: it answers with its labels',
    }
  if (row.status === 'unknown') return { ...answer, ...nothing }
  const version = activeVersionOf(store)
  const walker = new Walker(store, version)
  const decider = new Decider(store, { version, decision })
  const context = { walker, decider, kappa, row }
  if (row.method === 'sampled')
    return {
      ...answer,
      ...nothing,
      parts: partsOf({ ...walker.walk(user), edges: walker.edges(user), sampled: row.scores }, context),
      note: `by sampled longer walks (± ${row.halfWidth.toFixed(3)}): labelled users buy hardly any of this user's products, but buyers of them do`,
    }
  const explained = { ...answer, ...explainExact(user, context) }
  if (row.method !== 'content') return explained
  return { ...explained, note: 'by the words of the products: labelled users buy hardly any of them' }
}

type Context = {
  readonly walker: Walker
  readonly decider: Decider
  readonly kappa: number
  readonly row: UserRow
}
type Carried = {
  readonly product: ProductIndex
  readonly weight: number
  readonly contribution: number
  /** v(p), where words are read. */
  readonly words: Float64Array | undefined
}

function explainExact(user: UserIndex, context: Context): Omit<Explanation, keyof PersonasAnswer> {
  const { walker, decider, kappa, row } = context
  const held =
    row.held.length > 0
      ? row.held.map(({ persona }) => persona)
      : Array.from({ length: walker.personas }, (_, c) => c)
  const edges = walker.edges(user)
  const carried: Carried[] = edges.map(({ product, weight }) => {
    const published = walker.vector(product)?.published
    return {
      product,
      weight,
      contribution: published === undefined ? 0 : weight * held.reduce((sum, c) => sum + published[c]!, 0),
      words: decider.vectorOf(product, row.epoch),
    }
  })
  const read = (entry: Carried) =>
    entry.words === undefined ? 0 : held.reduce((sum, c) => sum + entry.words![c]!, 0)
  carried.sort(
    (a, b) =>
      b.contribution - a.contribution || b.weight * read(b) - a.weight * read(a) || a.product - b.product,
  )
  const total = carried.reduce((sum, { contribution }) => sum + contribution, 0)
  const { prototypes, priorShare } = prototypesBehind(carried.slice(0, productsOpened), {
    walker,
    held,
    kappa,
    total,
  })
  const walk = walker.walk(user)
  return {
    products: carried
      .filter((entry) => entry.contribution > 0 || read(entry) > 0)
      .slice(0, productsShown)
      .map((entry) => productLine(entry, { walker, total, held })),
    prototypes,
    prior_share: priorShare,
    parts: partsOf({ ...walk, edges }, context),
    counterfactual: counterfactualOf({ ...walk, edges }, carried, context),
  }
}

/** Where the log odds of each held persona come from; null before the first fit. */
function partsOf(evidence: Evidence, { walker, decider, row }: Context): Explanation['parts'] {
  if (row.epoch === 0) return null
  const { held } = row
  return Object.fromEntries(
    held.flatMap(({ persona }) => {
      const parts = decider.partsOf(evidence, { epoch: row.epoch, persona })
      return parts === undefined ? [] : [[walker.version.personas[persona]!.name, parts]]
    }),
  )
}

function productLine(
  { product, weight, contribution, words }: Carried,
  { walker, total, held }: { walker: Walker; total: number; held: readonly number[] },
): Explanation['products'][number] {
  const { productId, title } = walker.store.product(product)!
  const published = walker.vector(product)?.published
  const mass = published?.reduce((sum, value) => sum + value, 0) ?? 0
  return {
    product_id: productId,
    title: title ?? null,
    weight: weight / 1000,
    share: total === 0 ? 0 : contribution / total,
    personas: mass === 0 ? {} : byName(walker, (c) => published![c]! / mass),
    words:
      words === undefined
        ? null
        : Object.fromEntries(held.map((c) => [walker.version.personas[c]!.name, words[c]! / contentOne])),
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
      ...labelNoteOf(walker.store, index),
    }))
  return { prototypes, priorShare: opened > 0 ? Math.max(0, 1 - labelled / opened) : 0 }
}

function labelNoteOf(store: StoreReader, user: UserIndex): { labeller?: string; rationale?: string } {
  const { labeller, rationale } = store.labelNote(store.counters().version, user) ?? {}
  return {
    ...(labeller !== undefined && { labeller }),
    ...(rationale !== undefined && { rationale }),
  }
}

/** The first product, greatest contribution first, without which held set, primary or status would differ. */
function counterfactualOf(
  { scores, weight, edges }: Evidence,
  carried: readonly Carried[],
  { walker, decider, row }: Context,
): Explanation['counterfactual'] {
  const before = new Uint8Array(walker.personas)
  for (const { persona } of row.held) before[persona] = 1
  const content = decider.contentOf(edges, row.epoch)
  for (const { product, weight: less, words } of carried.slice(0, edgesTried)) {
    const published = walker.vector(product)?.published
    const without = {
      scores: published === undefined ? scores : scores.map((value, c) => value - less * published[c]!),
      weight: weight - less,
      edges: [],
      content: content?.map((value, c) => value - less * (words?.[c] ?? 0)),
    }
    const { status, held, primary } = decider.decide(without, { epoch: row.epoch, before })
    const same =
      status === 'inferred' && primary === row.primary && held.every((value, c) => value === before[c])
    if (same) continue
    const { productId, title } = walker.store.product(product)!
    const names = walker.version.personas.map(({ name }) => name)
    return {
      product_id: productId,
      title: title ?? null,
      status,
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
