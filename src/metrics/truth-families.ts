// What Prometheus is told of how right answers are, on labels that are held out: absent without any.
import { type Family, gauge } from './families.ts'

/** What the truth meter says. */
export type TruthMeasures = { readonly [name in keyof typeof measures]: number }

const measures = {
  micro_f1: 'micro-F1 of the held sets of held-out labelled users',
  macro_f1: 'mean F1 over personas of held-out labelled users',
  macro_auc: 'mean AUC over personas of held-out labelled users',
  ece: 'expected calibration error of probabilities on held-out labelled users',
  brier: 'Brier score of probabilities on held-out labelled users',
  coverage: 'share of held-out labelled users that are answered',
  users: 'held-out labelled users that the truth is measured on',
} as const

export function truthFamilies(truth: () => TruthMeasures | undefined): Family[] {
  return Object.entries(measures).map(([name, help]) =>
    gauge(`kindred_truth_${name}`, help, () => truth()?.[name as keyof typeof measures]),
  )
}
