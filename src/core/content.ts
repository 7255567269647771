// Content head: what the words of a user's products say, beside who bought them. One logistic model a persona over the
// words of titles and categories, fitted on the prototypes; it makes a C-vector v(p) of each product, in whole numbers,
// so that a user's X(u) = sum_p w(u,p) v(p) is exact, order-free and repaired like S(u).
import { baseOddsOf } from './calibration.ts'
import { contentWordsMax, publishedOne } from './limits.ts'
import { fitSparseLogistic, type SparseRows } from './logistic.ts'

/** 1.0 of an entry of v(p): whole numbers of 2⁻²⁰, below 2²⁴ in size, as b̂ is. */
export const contentOne = 2 ** 20
const contentEntryMax = publishedOne - 1

/** Folds of the cross-fit: a prototype's content score as if its label were unknown comes from a model without its fold. */
export const contentFolds = 4
/** Strength of the quadratic penalty on word weights. */
const penalty = 3
/** Words that fewer prototypes' baskets have say more about the basket than about the persona. */
const basketsMin = 2

/** Word weights of one fit; `weights` by word (row) and persona. A product's entry is the sum over its distinct words. */
export type ContentModel = {
  readonly words: ReadonlyMap<string, number>
  /** V × C whole numbers of 2⁻²⁰. */
  readonly weights: Int32Array
  /** Log odds at no words, relative to the base rate: C entries. */
  readonly bias: Float64Array
}

/** A fit of the prototypes known at a time: the model for everybody, and one a fold for the prototypes in it. */
export type ContentFit = { readonly model: ContentModel; readonly folds: readonly ContentModel[] }

/** A prototype as the head sees it: its fold, W(u) (thousandths), products with weights (thousandths), and labels (C, 0/1). */
export type ContentExample = {
  readonly fold: number
  readonly weight: number
  readonly products: readonly { readonly words: readonly string[]; readonly weight: number }[]
  readonly labels: Uint8Array
}

const letters = /[\p{L}\p{M}]+/gu
const unspaced = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]+$/u

/**
 * Distinct words of a product: runs of two letters and more of its title, lower-cased; of scripts without spaces, pairs of
 * neighbouring letters. Words of the category are told apart from those of the title.
 */
export function wordsOf(title: string | undefined, category: string | undefined): string[] {
  const words = new Set<string>()
  for (const word of wordsIn(title ?? '')) words.add(word)
  for (const word of wordsIn(category ?? '')) words.add(`category:${word}`)
  return [...words]
}

function* wordsIn(text: string): Generator<string> {
  for (const [run] of text.toLowerCase().matchAll(letters)) {
    const units = [...run]
    if (units.length < 2) continue
    if (!unspaced.test(run)) yield run
    else for (let i = 1; i < units.length; i++) yield units[i - 1]! + units[i]!
  }
}

/** Fits the head; undefined where no word is shared by two prototypes. */
export function fitContent(examples: readonly ContentExample[], personas: number): ContentFit | undefined {
  const { words, basketsOf } = vocabularyOf(examples)
  if (words.size === 0) return undefined
  const scale = basketsOf.map((baskets) => Math.sqrt(Math.log((examples.length + 1) / (baskets + 1))))
  const rows = rowsOf(examples, words, scale)
  const everybody = Int32Array.from(examples, (_, i) => i)
  const empty = () => ({
    words,
    weights: new Int32Array(words.size * personas),
    bias: new Float64Array(personas),
  })
  const model = empty()
  const folds = Array.from({ length: contentFolds }, empty)
  for (let c = 0; c < personas; c++) {
    const labels = Uint8Array.from(examples, ({ labels }) => labels[c]!)
    const base = baseOf(labels, everybody)
    if (base === undefined) continue
    const options = { columns: words.size, penalty }
    const whole = fitSparseLogistic(rows, labels, { ...options, chosen: everybody })
    put(model, c, { fitted: whole, scale, base })
    folds.forEach((fold, k) => {
      const chosen = everybody.filter((i) => examples[i]!.fold !== k)
      const foldBase = baseOf(labels, chosen)
      if (foldBase === undefined) return
      const fitted = fitSparseLogistic(rows, labels, { ...options, chosen })
      put(fold, c, { fitted, scale, base: foldBase })
    })
  }
  return { model, folds }
}

/** Log odds of the base rate; undefined where all are labelled alike: words say nothing then. */
function baseOf(labels: Uint8Array, chosen: Int32Array): number | undefined {
  let positives = 0
  for (const i of chosen) positives += labels[i]!
  if (positives === 0 || positives === chosen.length) return undefined
  return baseOddsOf(positives, chosen.length)
}

function put(
  { weights, bias }: ContentModel,
  c: number,
  { fitted, scale, base }: { fitted: Float64Array; scale: readonly number[]; base: number },
): void {
  for (let word = 0; word < scale.length; word++)
    weights[word * bias.length + c] = Math.round(fitted[word]! * scale[word]! * contentOne)
  bias[c] = fitted[scale.length]! - base
}

/** Words of enough baskets, the commonest if there are too many, in order of first sight; and how many baskets have each. */
function vocabularyOf(examples: readonly ContentExample[]): {
  words: Map<string, number>
  basketsOf: number[]
} {
  const counts = new Map<string, number>()
  for (const { products } of examples)
    for (const word of new Set(products.flatMap(({ words }) => words)))
      counts.set(word, (counts.get(word) ?? 0) + 1)
  const kept = [...counts]
    .filter(([, baskets]) => baskets >= basketsMin)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, contentWordsMax)
  return {
    words: new Map(kept.map(([word], i) => [word, i])),
    basketsOf: kept.map(([, baskets]) => baskets),
  }
}

/** A row a prototype: per word sum_p w(u,p) over sqrt(W(u)), in purchases, scaled by how telling the word is. */
function rowsOf(
  examples: readonly ContentExample[],
  words: ReadonlyMap<string, number>,
  scale: readonly number[],
): SparseRows {
  const starts = new Int32Array(examples.length + 1)
  const columns: number[] = []
  const values: number[] = []
  examples.forEach(({ products, weight }, i) => {
    const sums = new Map<number, number>()
    for (const product of products)
      for (const word of product.words) {
        const column = words.get(word)
        if (column !== undefined) sums.set(column, (sums.get(column) ?? 0) + product.weight)
      }
    for (const [column, sum] of sums) {
      columns.push(column)
      values.push((sum / 1000 / Math.sqrt(weight / 1000)) * scale[column]!)
    }
    starts[i + 1] = columns.length
  })
  return { starts, columns: Int32Array.from(columns), values: Float64Array.from(values) }
}

/** v(p) of a product of these words into `out` at `offset`: C whole numbers of 2⁻²⁰. False when no word is known. */
export function contentVector(
  { words: known, weights, bias }: ContentModel,
  words: readonly string[],
  { out, offset }: { readonly out: Float64Array; readonly offset: number },
): boolean {
  const personas = bias.length
  out.fill(0, offset, offset + personas)
  let any = false
  for (const word of words) {
    const row = known.get(word)
    if (row === undefined) continue
    any = true
    for (let c = 0; c < personas; c++) out[offset + c]! += weights[row * personas + c]!
  }
  for (let c = 0; c < personas; c++)
    out[offset + c] = Math.max(-contentEntryMax, Math.min(contentEntryMax, out[offset + c]!))
  return any
}

/** The content score of one persona: log odds relative to the base rate, from X_c(u) and W(u) (thousandths). */
export function contentScoreOf(bias: number, x: number, weight: number): number {
  return weight > 0 ? bias + x / contentOne / 1000 / Math.sqrt(weight / 1000) : bias
}
