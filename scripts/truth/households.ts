// A second truth: facts about households of a grocer (Complete Journey), as labels like any others. Baskets there are a 7 %
// sample of lines, so a walk and words have little to go by: the figures say so.
import { join } from 'node:path'
import type { Evaluation } from '../../src/evaluation/evaluate.ts'
import { type Experiment, kindred, labelledYear, linesOf, type TruthEvent, write } from './data.ts'

type Household = {
  readonly user_id: string
  readonly age: string | null
  readonly income: string | null
  readonly kids_count: string | null
}

/** Evaluates facts about households as personas: kids, age band, income band. */
export async function householdTruth(experiment: Experiment): Promise<Evaluation> {
  const { events, labels } = experiment.tiny ? labelledYear(experiment) : households()
  const data = join(experiment.dir, 'data')
  await kindred(['replay', write(experiment, 'events.ndjson', events), '--data', data])
  const file = write(experiment, 'labels.ndjson', labels)
  return kindred<Evaluation>(['evaluate', '--labels', file, '--data', data, '--share', '0.5'])
}

function households(): { events: TruthEvent[]; labels: { user_id: string; personas: string[] }[] } {
  return {
    events: linesOf<TruthEvent>('complete-journey-sample.ndjson.gz'),
    labels: linesOf<Household>('complete-journey-households.ndjson.gz').map((household) => ({
      user_id: household.user_id,
      personas: personasOf(household),
    })),
  }
}

const incomeBands: Readonly<Record<string, string>> = {
  'Under 15K': 'income under 35K',
  '15-24K': 'income under 35K',
  '25-34K': 'income under 35K',
  '35-49K': 'income 35K to 75K',
  '50-74K': 'income 35K to 75K',
}

function personasOf({ age, income, kids_count: kids }: Household): string[] {
  return [
    kids === '0' ? 'no kids' : 'kids',
    ...(age === null
      ? []
      : [
          age === '19-24' || age === '25-34'
            ? 'under 35'
            : age === '35-44' || age === '45-54'
              ? '35 to 54'
              : '55 and over',
        ]),
    ...(income === null ? [] : [incomeBands[income] ?? 'income of 75K and more']),
  ]
}
