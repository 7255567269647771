/**
 * Oracle, prototypes: labels to whole shares, and the prototype-set version a sequence of imports and
 * erasures leaves.
 */
import {
  type OracleImport,
  type OracleLabelPersonas,
  type OracleRecord,
  shareUnit,
  sumOf,
  zeros,
} from './model.ts'

export interface OraclePrototypeSet {
  /** Persona order: a persona's index is its place here. */
  readonly personas: readonly string[]
  /** user → label shares by persona index, whole numbers of 2^-20. Erased prototypes are gone. */
  readonly shares: ReadonlyMap<string, readonly number[]>
  /** Mean label share of the prototypes as imported; constant until the next import. */
  readonly prior: readonly number[]
  /** Whether a prototype of the version, as imported, has a share of the persona. */
  readonly carried: readonly boolean[]
  /** What was imported, in one spelling: equal strings are the same content. */
  readonly content: string
}

export const noPrototypes: OraclePrototypeSet = {
  personas: [],
  shares: new Map(),
  prior: [],
  carried: [],
  content: '',
}

export function prototypeSetOf(record: OracleImport): OraclePrototypeSet {
  const personas = personaOrder(record)
  const shares = new Map<string, readonly number[]>()
  for (const label of record.labels) {
    if (shares.has(label.user_id)) throw new Error(`oracle: ${label.user_id} is labelled twice`)
    shares.set(label.user_id, labelShares(label.personas, personas))
  }
  const sums = personas.map((_, persona) => sumOf([...shares.values()].map((row) => row[persona]!)))
  return {
    personas,
    shares,
    prior: sums.map((sum) => (shares.size === 0 ? 0 : sum / shares.size / shareUnit)),
    carried: sums.map((sum) => sum > 0),
    content: JSON.stringify([record.personaSet ?? null, personas, sortedByUser(shares)]),
  }
}

/** What the records' imports and erasures leave. */
export function foldPrototypes(records: Iterable<OracleRecord>): OraclePrototypeSet {
  let set = noPrototypes
  for (const record of records) {
    if (record.kind === 'erase') set = withoutPrototype(set, record.user_id)
    if (record.kind === 'import') set = imported(set, record)
  }
  return set
}

/** The set after an import; the same object when the import repeats the content of the last one. */
export function imported(set: OraclePrototypeSet, record: OracleImport): OraclePrototypeSet {
  const next = prototypeSetOf(record)
  return next.content === set.content ? set : next
}

export function withoutPrototype(set: OraclePrototypeSet, user: string): OraclePrototypeSet {
  const shares = new Map(set.shares)
  shares.delete(user)
  return { ...set, shares }
}

export function personaOrder(record: OracleImport): string[] {
  if (record.personaSet !== undefined) return record.personaSet.personas.map((persona) => persona.name)
  const names = new Set(record.labels.flatMap((label) => labelEntries(label.personas).map(([name]) => name)))
  return [...names].sort((a, b) => (a < b ? -1 : 1))
}

/**
 * Largest remainder: whole numbers of 2^-20 that sum to 2^20. Remainders that differ by less than a millionth or so (the
 * rounding of 10:35:55 and .1:.35:.55 differs by as much) are a tie, which goes to the persona that comes first.
 */
export function labelShares(label: OracleLabelPersonas, personas: readonly string[]): number[] {
  const entries = labelEntries(label).sort(([a], [b]) => personas.indexOf(a) - personas.indexOf(b))
  const total = sumOf(entries.map(([, probability]) => probability))
  if (!(total > 0)) throw new Error('oracle: a label without any share')
  const quotas = entries.map(
    ([, probability]) => Math.round((probability / total) * shareUnit * 2 ** 20) / 2 ** 20,
  )
  const wholes = quotas.map((quota) => Math.floor(quota))
  const byRemainder = quotas
    .map((quota, place) => ({ place, remainder: quota - Math.floor(quota) }))
    .sort((a, b) => b.remainder - a.remainder || a.place - b.place)
  const missing = shareUnit - sumOf(wholes)
  for (const { place } of byRemainder.slice(0, missing)) wholes[place]! += 1
  if (sumOf(wholes) !== shareUnit) throw new Error('oracle: label shares do not sum to one')

  const shares = zeros(personas.length)
  entries.forEach(([name], place) => {
    const persona = personas.indexOf(name)
    if (persona < 0) throw new Error(`oracle: ${name} is not in the persona set`)
    shares[persona]! += wholes[place]!
  })
  return shares
}

function labelEntries(label: OracleLabelPersonas): [string, number][] {
  if (isNames(label)) return label.map((name) => [name, 1])
  return Object.entries(label)
}

function isNames(label: OracleLabelPersonas): label is readonly string[] {
  return Array.isArray(label)
}

function sortedByUser(shares: ReadonlyMap<string, readonly number[]>): [string, readonly number[]][] {
  return [...shares].sort(([a], [b]) => (a < b ? -1 : 1))
}
