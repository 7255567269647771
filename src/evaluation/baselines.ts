// Baselines beside Kindred, each from the same prototypes: base rates, GPLR as published, Jaccard neighbours, and logistic
// regression on title words. Thresholds are chosen on the prototypes, leave-one-out or out of fold, never on the truth.
import { bestThreshold } from '../core/calibration.ts'
import { flat } from '../core/fit.ts'
import type { LabelledGraph, LabelledUser } from '../core/labelled.ts'
import { fitSparseLogistic, type SparseRows, sigmoid, sparseOdds } from '../core/logistic.ts'
import type { Predictions } from './metrics.ts'
import { heldFrom } from './model.ts'

export const baselineNames = ['prior', 'gplr', 'jaccard', 'title_lr'] as const
export type BaselineName = (typeof baselineNames)[number]

type Task = {
  readonly graph: LabelledGraph
  readonly prototypes: readonly LabelledUser[]
  readonly users: readonly LabelledUser[]
}

export const baselines: Readonly<Record<BaselineName, (task: Task) => Predictions>> = {
  prior,
  gplr,
  jaccard,
  title_lr: titleRegression,
}

/** Everybody is the average shopper. */
function prior({ graph, prototypes, users }: Task): Predictions {
  const rates = graph.personas.map(
    (_, c) => prototypes.reduce((sum, { labels }) => sum + labels[c]!, 0) / prototypes.length,
  )
  const row = Float64Array.from(rates)
  return thresholded(
    users.map(() => row),
    { own: prototypes.map(() => row), prototypes },
  )
}

/** Personas that a user is given by GPLR's published evaluation. */
const gplrTop = 5

/**
 * GPLR (arXiv 2504.17304, eq. 3–5) as published: user to product to any buyer, each step even, label read at labelled
 * buyers; the five best personas. Its scores are not probabilities: Brier score and ECE read q as one.
 */
function gplr({ graph, prototypes, users }: Task): Predictions {
  const personas = graph.personas.length
  const sums = new Float64Array(graph.words.length * personas)
  for (const { products, shares } of prototypes)
    for (const product of products)
      for (let c = 0; c < personas; c++)
        sums[product * personas + c]! += shares[c]! / Math.max(1, graph.buyers[product]!)
  const rows = users.map(({ products }) => {
    const q = new Float64Array(personas)
    for (const product of products) for (let c = 0; c < personas; c++) q[c]! += sums[product * personas + c]!
    const total = q.reduce((sum, value) => sum + value, 0)
    return total === 0 ? q : q.map((value) => value / total)
  })
  const known = Uint8Array.from(rows, (row) => (row.some((value) => value > 0) ? 1 : 0))
  const held = new Uint8Array(users.length * personas)
  rows.forEach((row, i) => {
    const best = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, gplrTop)
    for (const c of best) if (row[c]! > 0) held[i * personas + c] = 1
  })
  return { probabilities: flat(rows), held, known }
}

const neighbours = 20

/** The k = 20 prototypes whose sets of products are most alike (Jaccard), voting by likeness. */
function jaccard({ graph, prototypes, users }: Task): Predictions {
  const holders = Array.from({ length: graph.words.length }, (): number[] => [])
  prototypes.forEach(({ products }, k) => {
    for (const product of products) holders[product]!.push(k)
  })
  const vote = ({ products }: LabelledUser, own: number) => {
    const shared = new Float64Array(prototypes.length)
    for (const product of products) for (const k of holders[product]!) shared[k]!++
    const alike = Float64Array.from(shared, (both, k) =>
      k === own ? 0 : both / (products.length + prototypes[k]!.products.length - both),
    )
    const nearest = [...alike.keys()]
      .filter((k) => alike[k]! > 0)
      .sort((a, b) => alike[b]! - alike[a]! || a - b)
      .slice(0, neighbours)
    const total = nearest.reduce((sum, k) => sum + alike[k]!, 0)
    return Float64Array.from(graph.personas, (_, c) =>
      total === 0 ? 0 : nearest.reduce((sum, k) => sum + alike[k]! * prototypes[k]!.labels[c]!, 0) / total,
    )
  }
  return thresholded(
    users.map((user) => vote(user, -1)),
    { own: prototypes.map((user, k) => vote(user, k)), prototypes },
  )
}

const regression = { folds: 5, penalty: 0.3, basketsMin: 2 }

/** A logistic regression a persona on the words of the titles bought: tf–idf, each row of length one. */
function titleRegression({ graph, prototypes, users }: Task): Predictions {
  const { columnOf, idf } = tfIdfOf(graph, prototypes)
  const known = tfIdfRows(prototypes, { graph, columnOf, idf })
  const asked = tfIdfRows(users, { graph, columnOf, idf })
  const own = prototypes.map(() => new Float64Array(graph.personas.length))
  const rows = users.map(() => new Float64Array(graph.personas.length))
  const all = Int32Array.from(prototypes, (_, i) => i)
  const options = { columns: idf.length, penalty: regression.penalty }
  for (let c = 0; c < graph.personas.length; c++) {
    const labels = Uint8Array.from(prototypes, ({ labels }) => labels[c]!)
    const whole = fitSparseLogistic(known, labels, { ...options, chosen: all })
    for (let i = 0; i < users.length; i++) rows[i]![c] = sigmoid(sparseOdds(asked, i, whole))
    for (let fold = 0; fold < regression.folds; fold++) {
      const chosen = all.filter((i) => i % regression.folds !== fold)
      const part = fitSparseLogistic(known, labels, { ...options, chosen })
      for (let i = fold; i < all.length; i += regression.folds)
        own[i]![c] = sigmoid(sparseOdds(known, i, part))
    }
  }
  return thresholded(rows, { own, prototypes })
}

function tfIdfOf(graph: LabelledGraph, prototypes: readonly LabelledUser[]) {
  const baskets = new Map<string, number>()
  for (const { products } of prototypes)
    for (const word of new Set([...products].flatMap((product) => graph.words[product]!)))
      baskets.set(word, (baskets.get(word) ?? 0) + 1)
  const kept = [...baskets].filter(([, count]) => count >= regression.basketsMin)
  return {
    columnOf: new Map(kept.map(([word], i) => [word, i])),
    idf: Float64Array.from(kept, ([, count]) => Math.log((prototypes.length + 1) / (count + 1))),
  }
}

function tfIdfRows(
  users: readonly LabelledUser[],
  {
    graph,
    columnOf,
    idf,
  }: { graph: LabelledGraph; columnOf: ReadonlyMap<string, number>; idf: Float64Array },
): SparseRows {
  const starts = new Int32Array(users.length + 1)
  const columns: number[] = []
  const values: number[] = []
  users.forEach(({ products }, i) => {
    const counts = new Map<number, number>()
    for (const product of products)
      for (const word of graph.words[product]!) {
        const column = columnOf.get(word)
        if (column !== undefined) counts.set(column, (counts.get(column) ?? 0) + 1)
      }
    const weighted = [...counts].map(([column, count]) => [column, count * idf[column]!] as const)
    const length = Math.sqrt(weighted.reduce((sum, [, value]) => sum + value * value, 0))
    for (const [column, value] of weighted) {
      columns.push(column)
      values.push(length === 0 ? 0 : value / length)
    }
    starts[i + 1] = columns.length
  })
  return { starts, columns: Int32Array.from(columns), values: Float64Array.from(values) }
}

/** Held from the threshold that is best on the prototypes' own rows. */
function thresholded(
  rows: readonly Float64Array[],
  { own, prototypes }: { own: readonly Float64Array[]; prototypes: readonly LabelledUser[] },
): Predictions {
  const truth = Uint8Array.from(prototypes.flatMap(({ labels }) => [...labels]))
  const enter = bestThreshold(flat(own), truth)
  const probabilities = flat(rows)
  const known = new Uint8Array(rows.length).fill(1)
  return { probabilities, known, held: heldFrom(probabilities, { known, enter }) }
}
