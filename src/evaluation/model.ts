// Kindred as a batch over labelled users: fitted on some of them as prototypes, asked for others. The fits are the engine's.
import { type Calibration, logDegreeOf, oddsOf } from '../core/calibration.ts'
import {
  ContentScores,
  calibrate,
  calibrateBest,
  type Evidence,
  evidencesOf,
  type FitPolicy,
  fitHead,
  liftsOf,
  vectorsOf,
} from '../core/fit.ts'
import { type LabelledGraph, type LabelledUser, weightOf } from '../core/labelled.ts'
import { sigmoid } from '../core/logistic.ts'
import type { Predictions } from './metrics.ts'

export type Model = {
  readonly evidence: Evidence
  predict(users: readonly LabelledUser[]): Predictions
}

/** What the models of one prototype set share. */
export type Fitted = {
  readonly walk: Model
  readonly content: Model | undefined
  readonly both: Model | undefined
  /** What Kindred answers by: both where the prototypes say that words help, else the walk. */
  readonly chosen: Model
}

/** Fits everything on `prototypes`; reads no other label. */
export function fitModels(
  graph: LabelledGraph,
  prototypes: readonly LabelledUser[],
  policy: FitPolicy,
): Fitted {
  const vectors = vectorsOf(graph, prototypes)
  const head = fitHead(graph, prototypes)
  const content = head && new ContentScores(head.model, graph.words)
  const evidences = evidencesOf(graph, prototypes, { head, policy })
  const modelOf = (evidence: Evidence): Model => {
    const { calibration } = calibrate(evidences, evidence)
    return {
      evidence,
      predict: (users) => predict(users, { evidence, calibration, content, lifts }),
    }
  }
  const lifts = (user: LabelledUser) => liftsOf(user, vectors, policy)
  const walk = modelOf('walk')
  if (head === undefined) return { walk, content: undefined, both: undefined, chosen: walk }
  const both = modelOf('both')
  const { evidence } = calibrateBest(evidences)
  return { walk, content: modelOf('content'), both, chosen: evidence === 'both' ? both : walk }
}

type PredictOptions = {
  readonly evidence: Evidence
  readonly calibration: Calibration
  readonly content: ContentScores | undefined
  readonly lifts: (user: LabelledUser) => { lifts: Float64Array; lands: boolean }
}

function predict(users: readonly LabelledUser[], options: PredictOptions): Predictions {
  const { evidence, calibration, content, lifts } = options
  const personas = calibration.base.length
  const probabilities = new Float64Array(users.length * personas)
  const known = new Uint8Array(users.length)
  for (const [i, user] of users.entries()) {
    const walk = evidence === 'content' ? undefined : lifts(user)
    const read = evidence === 'walk' ? undefined : content!.of(user)
    known[i] = walk?.lands === true || read?.known === true ? 1 : 0
    const logDegree = logDegreeOf(weightOf(user))
    for (let c = 0; c < personas; c++)
      probabilities[i * personas + c] = sigmoid(
        known[i] === 0
          ? calibration.base[c]!
          : oddsOf(calibration, c, {
              logLift: walk?.lifts[c] ?? 0,
              content: read?.scores[c] ?? 0,
              logDegree,
            }),
      )
  }
  return { probabilities, known, held: heldFrom(probabilities, { known, enter: calibration.enter }) }
}

/** Held from a threshold on; unknown users hold nothing. */
export function heldFrom(
  probabilities: Float64Array,
  { known, enter }: { known: Uint8Array; enter: number },
): Uint8Array {
  const personas = probabilities.length / known.length
  return Uint8Array.from(probabilities, (p, at) =>
    known[Math.floor(at / personas)] === 1 && p >= enter ? 1 : 0,
  )
}
