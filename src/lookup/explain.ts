// Explanation of one user's answer: which products and which prototypes carry it, and the one product whose removal
// would change it. Read from edges, labels and published vectors; nothing is guessed after the fact.

import { contentOne } from '../core/content.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { addScaled } from '../core/walk.ts'
import { TransientError } from '../errors.ts'
import { newNeighbours, type UserRow } from '../store/port.ts'
import { answerOf, type PersonasAnswer } from './answer.ts'
import { Decider, type Evidence, type Parts } from './decider.ts'
import { labelNoteOf, type Path, prototypesBehind, type ShownPrototype } from './explain-paths.ts'
import { PersonaNames } from './names.ts'
import { finish, moved, type Sliced, sorted, unlessMoved } from './slices.ts'
import { activeVersionOf, Labels, type Snapshot } from './snapshot.ts'
import { Walker } from './walk-anew.ts'

const productsShown = 10
/** Products whose labelled buyers are looked at, greatest contribution first. */
const productsOpened = 50
/** Edges tried for the counterfactual. */
const edgesTried = 20_000
/** Products that are read between pauses. */
const stepRows = 32
/** Switches of versions, one after another, that an explanation is begun anew for. */
const beginningsMax = 4

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
  readonly prototypes: readonly ShownPrototype[]
  /** The walk's steps that carry most, greatest first: the user's purchases of a product, its purchases by a labelled user. */
  readonly paths: readonly Path[]
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
export function explain(snapshot: Snapshot, { userId }: { userId: string }): Explanation | undefined {
  return finish(explaining(snapshot, { userId, labels: new Labels(snapshot.store) }))
}

type Asked = { readonly userId: string; readonly labels: Labels }

/**
 * The same with pauses: a user may have bought a hundred thousand products, each of them bought by as many. It is begun anew
 * when meanwhile another prototype-set version is switched to, whose labels and vectors speak of other personas.
 */
export function* explaining(snapshot: Snapshot, asked: Asked): Sliced<Explanation | undefined> {
  const { store } = snapshot
  for (let n = 0; n < beginningsMax; n++) {
    const { version } = store.counters()
    const user = store.userIndexOf(asked.userId)
    if (user === undefined) return undefined
    const same = () => store.counters().version === version && store.userIndexOf(asked.userId) === user
    const found = yield* unlessMoved(explainingOnce(snapshot, { ...asked, user }), same)
    if (found !== moved) return found
  }
  throw new TransientError('prototype-set versions follow one another faster than an answer is explained')
}

function* explainingOnce(
  { store, kappa, decision }: Snapshot,
  { user, labels }: Asked & { readonly user: UserIndex },
): Sliced<Explanation | undefined> {
  const row = store.user(user)
  if (row === undefined) return undefined
  const names = new PersonaNames(store)
  const answer = answerOf(row, names)
  const nothing = {
    products: [],
    prototypes: [],
    paths: [],
    prior_share: 0,
    counterfactual: null,
    parts: null,
  }
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
  decider.epoch(row.epoch) // read now: a fit behind the next pause may drop it
  const context = { walker, decider, kappa, row, labels }
  const { carried, ...evidence } = yield* evidenceOf(user, context)
  if (row.method === 'sampled')
    return {
      ...answer,
      ...nothing,
      parts: partsOf({ ...evidence, sampled: row.scores }, context),
      note: `by sampled longer walks (± ${row.halfWidth.toFixed(3)}): labelled users buy hardly any of this user's products, but buyers of them do`,
    }
  const explained = { ...answer, ...(yield* explainExact({ ...evidence, carried }, context)) }
  if (row.method !== 'content') return explained
  return { ...explained, note: 'by the words of the products: labelled users buy hardly any of them' }
}

type Context = {
  readonly walker: Walker
  readonly decider: Decider
  readonly kappa: number
  readonly row: UserRow
  readonly labels: Labels
}
export type Carried = {
  readonly product: ProductIndex
  readonly weight: number
  readonly contribution: number
  /** What the words of the product say of the held personas; 0 where words are not read. */
  readonly read: number
}
type Gathered = Evidence & { readonly carried: readonly Carried[] }

/** Personas that an explanation speaks of: those held, or all where none is. */
function spokenOf({ walker, row }: Context): number[] {
  if (row.held.length > 0) return row.held.map(({ persona }) => persona)
  return Array.from({ length: walker.personas }, (_, c) => c)
}

/** The user's walk anew, the words of what was bought, and what each product brings. */
function* evidenceOf(user: UserIndex, context: Context): Sliced<Gathered> {
  const { walker, decider, row } = context
  const { personas } = walker
  const spoken = spokenOf(context)
  const bought = newNeighbours()
  walker.store.productsOf(user, bought)
  const scores = { values: new Float64Array(personas), offset: 0 }
  const content = { values: new Float64Array(personas), offset: 0 }
  const carried: Carried[] = []
  let total = 0
  for (let i = 0; i < bought.length; i++) {
    if (i % stepRows === 0) yield
    const product = bought.ids[i] as ProductIndex
    const weight = bought.weights[i]!
    const published = walker.vector(product)?.published
    const words = decider.vectorOf(product, row.epoch)
    const sumOf = (vector: Float64Array | undefined) =>
      vector === undefined ? 0 : spoken.reduce((sum, c) => sum + vector[c]!, 0)
    if (published !== undefined) addScaled(scores, { values: published, offset: 0 }, { weight, personas })
    if (words !== undefined) addScaled(content, { values: words, offset: 0 }, { weight, personas })
    total += weight
    carried.push({ product, weight, contribution: weight * sumOf(published), read: sumOf(words) })
  }
  // the edges are read: what a decision would want of them is in `content`
  return { scores: scores.values, weight: total, edges: [], content: content.values, carried }
}

function* explainExact(
  { carried: unsorted, ...evidence }: Gathered,
  context: Context,
): Sliced<Omit<Explanation, keyof PersonasAnswer>> {
  const carried = yield* sorted(
    unsorted,
    (a, b) =>
      b.contribution - a.contribution || b.weight * b.read - a.weight * a.read || a.product - b.product,
  )
  const total = carried.reduce((sum, { contribution }) => sum + contribution, 0)
  const shown = firstOf(carried, ({ contribution, read }) => contribution > 0 || read > 0)
  const walk = { ...context, spoken: spokenOf(context), total }
  const { prototypes, paths, priorShare } = yield* prototypesBehind(carried.slice(0, productsOpened), {
    ...walk,
    shown,
  })
  return {
    products: shown.map((entry) => productLine(entry, { ...context, total })),
    prototypes,
    paths,
    prior_share: priorShare,
    parts: partsOf(evidence, context),
    counterfactual: yield* counterfactualOf({ ...evidence, carried }, context),
  }
}

function firstOf(carried: readonly Carried[], wanted: (entry: Carried) => boolean): Carried[] {
  const found: Carried[] = []
  for (const entry of carried) {
    if (found.length === productsShown) break
    if (wanted(entry)) found.push(entry)
  }
  return found
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
  { product, weight, contribution }: Carried,
  { total, ...context }: Context & { total: number },
): Explanation['products'][number] {
  const { walker, decider, row } = context
  const words = decider.vectorOf(product, row.epoch)
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
        : Object.fromEntries(
            spokenOf(context).map((c) => [walker.version.personas[c]!.name, words[c]! / contentOne]),
          ),
  }
}

/** The first product, greatest contribution first, without which held set, primary or status would differ. */
function* counterfactualOf(
  { scores, weight, content, carried }: Gathered,
  { walker, decider, row }: Context,
): Sliced<Explanation['counterfactual']> {
  const before = new Uint8Array(walker.personas)
  for (const { persona } of row.held) before[persona] = 1
  for (const [n, { product, weight: less }] of carried.slice(0, edgesTried).entries()) {
    if (n % stepRows === 0) yield
    const published = walker.vector(product)?.published
    const words = decider.vectorOf(product, row.epoch)
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

function byName(walker: Walker, share: (persona: number) => number): Record<string, number> {
  return Object.fromEntries(walker.version.personas.map(({ name }, c) => [name, share(c)]))
}
