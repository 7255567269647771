// How right answers are: F1, AUC, Brier score, calibration error and coverage of predicted persona sets.

/** Predictions for n users and C personas, by users: probabilities, 0/1 held, and 0/1 a user whether anything was answered. */
export type Predictions = {
  readonly probabilities: Float64Array
  readonly held: Uint8Array
  readonly known: Uint8Array
}

/** Quality of predictions. A user of status unknown holds nothing and is counted; `ece` pools 15 equal bins. */
export type Quality = {
  micro_f1: number
  macro_f1: number
  macro_auc: number
  ece: number
  brier: number
  /** Share of the users that were answered, and the rest. */
  coverage: number
  abstention: number
  users: number
}

export type PersonaQuality = {
  persona: string
  base_rate: number
  f1: number
  auc: number | null
  brier: number
  held: number
}

/** One bin of a reliability plot: probabilities in [from, to). */
export type Bin = { from: number; to: number; count: number; mean_probability: number; observed: number }

const binCount = 15

/** Quality over n users and C personas; truth is n × C of 0/1. AUC is the mean over personas that some have and some lack. */
export function qualityOf(predictions: Predictions, truth: Uint8Array, personas: number): Quality {
  const each = Array.from({ length: personas }, (_, c) => countsOf(predictions, truth, { c, personas }))
  const aucs = each.map(({ auc }) => auc).filter((auc) => auc !== null)
  const sum = (value: (counts: Counts) => number) => each.reduce((total, counts) => total + value(counts), 0)
  const bins = reliabilityOf(predictions.probabilities, truth)
  const users = predictions.known.length
  const known = predictions.known.reduce((total, value) => total + value, 0)
  return {
    micro_f1: f1Of({
      right: sum(({ right }) => right),
      held: sum(({ held }) => held),
      positives: sum((x) => x.positives),
    }),
    macro_f1: sum(f1Of) / personas,
    macro_auc: aucs.length === 0 ? 0.5 : aucs.reduce((total, auc) => total + auc, 0) / aucs.length,
    ece:
      bins.reduce((total, bin) => total + bin.count * Math.abs(bin.mean_probability - bin.observed), 0) /
      truth.length,
    brier: sum(({ squares }) => squares) / truth.length,
    coverage: known / users,
    abstention: 1 - known / users,
    users,
  }
}

/** The same by persona. */
export function perPersona(
  predictions: Predictions,
  truth: Uint8Array,
  personas: readonly string[],
): PersonaQuality[] {
  const users = predictions.known.length
  return personas.map((persona, c) => {
    const counts = countsOf(predictions, truth, { c, personas: personas.length })
    return {
      persona,
      base_rate: counts.positives / users,
      f1: f1Of(counts),
      auc: counts.auc,
      brier: counts.squares / users,
      held: counts.held / users,
    }
  })
}

type Counts = { right: number; held: number; positives: number; squares: number; auc: number | null }

function countsOf(
  { probabilities, held }: Predictions,
  truth: Uint8Array,
  { c, personas }: { c: number; personas: number },
): Counts {
  const counts = { right: 0, held: 0, positives: 0, squares: 0 }
  const scores = new Float64Array(truth.length / personas)
  const labels = new Uint8Array(scores.length)
  for (let i = 0; i < scores.length; i++) {
    const at = i * personas + c
    scores[i] = probabilities[at]!
    labels[i] = truth[at]!
    counts.held += held[at]!
    counts.positives += truth[at]!
    counts.right += held[at]! & truth[at]!
    counts.squares += (probabilities[at]! - truth[at]!) ** 2
  }
  return { ...counts, auc: aucOf(scores, labels) }
}

/** 2TP / (2TP + FP + FN); 0 where nothing is held and nobody has it. */
function f1Of({ right, held, positives }: { right: number; held: number; positives: number }): number {
  return held + positives === 0 ? 0 : (2 * right) / (held + positives)
}

/** Area under the ROC curve by ranks (Mann–Whitney), ties counted half; null where all are labelled alike. */
export function aucOf(scores: Float64Array, labels: Uint8Array): number | null {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!)
  let ranks = 0
  let positives = 0
  for (let i = 0; i < order.length; ) {
    let end = i
    while (end < order.length && scores[order[end]!] === scores[order[i]!]) end++
    const rank = (i + 1 + end) / 2
    for (; i < end; i++)
      if (labels[order[i]!] === 1) {
        ranks += rank
        positives++
      }
  }
  const negatives = labels.length - positives
  if (positives === 0 || negatives === 0) return null
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** Observed frequency against probability, in 15 equal bins. */
export function reliabilityOf(probabilities: Float64Array, truth: Uint8Array): Bin[] {
  const sums = Array.from({ length: binCount }, () => ({ count: 0, probability: 0, positives: 0 }))
  for (let i = 0; i < truth.length; i++) {
    const bin = sums[Math.min(binCount - 1, Math.floor(probabilities[i]! * binCount))]!
    bin.count++
    bin.probability += probabilities[i]!
    bin.positives += truth[i]!
  }
  return sums.map(({ count, probability, positives }, i) => ({
    from: i / binCount,
    to: (i + 1) / binCount,
    count,
    mean_probability: count === 0 ? 0 : probability / count,
    observed: count === 0 ? 0 : positives / count,
  }))
}

/** Mean and standard deviation (n − 1) over seeds, field by field. */
export function meanAndSpread(all: readonly Quality[]): { mean: Quality; spread: Quality } {
  const fields = Object.keys(all[0]!) as (keyof Quality)[]
  const mean = {} as Quality
  const spread = {} as Quality
  for (const field of fields) {
    const values = all.map((quality) => quality[field])
    const middle = values.reduce((sum, value) => sum + value, 0) / values.length
    mean[field] = middle
    spread[field] =
      values.length < 2
        ? 0
        : Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
  }
  return { mean, spread }
}
