/** Oracle, imports for property tests: labels and persona sets, drawn by number and made to fit a shop. */
import fc from 'fast-check'
import type { OracleImport, OracleLabel, OracleLabelPersonas, OraclePersonaSet } from './model.ts'
import { personaNames } from './odd-ids.ts'
import { prototypeSetOf } from './prototypes.ts'

const index = fc.nat({ max: 1000 })

export interface ImportDraft {
  /** Place among the steps, in thousandths. */
  readonly at: number
  /** Repeats the import before it, if there is one. */
  readonly again: boolean
  readonly labels: readonly LabelDraft[]
  /** All labelled as the first one: b then moves little, and publications become rare. */
  readonly alike: boolean
  /** With a persona set file: the personas in use and `unused` others, in this order. */
  readonly personaSet: { readonly order: readonly string[]; readonly unused: number } | null
}

interface LabelDraft {
  readonly user: number
  readonly personas: readonly string[]
  /** Null: personas of equal share; else a probability each. */
  readonly probabilities: readonly number[] | null
}

export function importDraftArbitrary(labels: readonly [min: number, max: number]): fc.Arbitrary<ImportDraft> {
  const label: fc.Arbitrary<LabelDraft> = fc.record({
    user: index,
    personas: fc.uniqueArray(fc.constantFrom(...personaNames), { minLength: 1, maxLength: 4 }),
    probabilities: fc.option(
      fc.array(fc.constantFrom(0, 1e-9, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 1), {
        minLength: 4,
        maxLength: 4,
      }),
    ),
  })
  return fc.record({
    at: fc.oneof(fc.constant(0), fc.nat({ max: 1000 })),
    again: fc.boolean(),
    labels: fc.array(label, { minLength: labels[0], maxLength: labels[1], size: 'max' }),
    alike: fc.boolean(),
    personaSet: fc.option(
      fc.record({
        order: fc.shuffledSubarray([...personaNames], { minLength: personaNames.length }),
        unused: fc.nat({ max: 2 }),
      }),
    ),
  })
}

export function importOf(options: {
  readonly draft: ImportDraft
  /** The import before. */
  readonly last: OracleImport | null
  readonly users: readonly string[]
}): OracleImport {
  const { draft, last, users } = options
  if (draft.again && last !== null) return structuredClone(last)
  const labels = new Map<string, OracleLabel>()
  for (const label of draft.labels) {
    const user = users[label.user % users.length]!
    labels.set(user, { user_id: user, personas: labelPersonasOf(draft.alike ? draft.labels[0]! : label) })
  }
  const next: OracleImport = { kind: 'import', labels: [...labels.values()], ...personaSetOf(draft, labels) }
  // Two spellings of one set side by side would ask what "the same content" means; that is not our question.
  return last !== null && meaningOf(next) === meaningOf(last) ? structuredClone(last) : next
}

function labelPersonasOf(label: LabelDraft): OracleLabelPersonas {
  if (label.probabilities === null) return label.personas
  const probabilities = label.personas.map((name, place) => [name, label.probabilities![place]!] as const)
  const isEmpty = probabilities.every(([, probability]) => probability === 0)
  return isEmpty ? label.personas : Object.fromEntries(probabilities)
}

function personaSetOf(
  draft: ImportDraft,
  labels: ReadonlyMap<string, OracleLabel>,
): { personaSet?: OraclePersonaSet } {
  if (draft.personaSet === null) return {}
  const used = [...labels.values()].flatMap(({ personas }) =>
    Array.isArray(personas) ? (personas as readonly string[]) : Object.keys(personas),
  )
  const { order, unused } = draft.personaSet
  const spare = order.filter((name) => !used.includes(name)).slice(0, unused)
  const names = order.filter((name) => used.includes(name) || spare.includes(name))
  const personas = names.map((name, place) =>
    place % 2 === 0
      ? { name, description: `Someone who is ${name}.` }
      : { name, description: '', keywords: [name] },
  )
  return { personaSet: { version: `v${unused}`, personas } }
}

function meaningOf(record: OracleImport): string {
  const { personas, shares } = prototypeSetOf(record)
  return JSON.stringify([personas, [...shares].sort(([a], [b]) => (a < b ? -1 : 1))])
}
