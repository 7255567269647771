// Codec of prototype files (NDJSON {user_id, personas}) and persona sets (JSON): text → PrototypeImport.
// One content has one hash, however it is written: in any order of lines and of personas, as a list or as numbers.
import { createHash } from 'node:crypto'
import type { PrototypeImport } from '../core/event.ts'
import { idProblem, type UserId } from '../core/ids.ts'
import { personasMax, prototypesMax, rationaleLengthMax, shareOne } from '../core/limits.ts'
import { type LabelNote, type PersonaDefinition, type ShareList, sharesOf } from '../core/prototype.ts'
import { UsageError } from '../errors.ts'

/** One line of a prototype file: persona names of equal share, or a probability each (scaled to sum to one). */
export type LabelLine = {
  readonly user_id: string
  readonly personas: readonly string[] | Readonly<Record<string, number>>
  /** Labelled to measure the truth by, and never walked to. */
  readonly held_out?: boolean
  /** Who labelled, and why so. */
  readonly labeller?: string
  readonly rationale?: string
  /** Where it stands, for what must be said about it: file and line. */
  readonly at?: string
}

const lineForm =
  'a line is {"user_id": "…", "personas": ["name", …]} or {…, "personas": {"name": probability, …}}'
const setForm = 'a persona set is {"version": "…", "personas": [{"name", "description", "keywords"?}, …]}'

/** Parses a prototype file. Throws UsageError naming the file, the line and what to do. */
export function parseLabels(text: string, file: string): LabelLine[] {
  const labels: LabelLine[] = []
  const lineOf = new Map<string, number>()
  for (const [i, line] of withoutMark(text).split('\n').entries()) {
    if (line.trim() === '') continue
    const at = `${file}, line ${i + 1}`
    const label = explained(() => labelOf(JSON.parse(line)), { at, form: lineForm })
    const { user_id: userId } = label
    const earlier = lineOf.get(userId)
    if (earlier !== undefined)
      throw new UsageError(
        `${at}: user ${JSON.stringify(userId)} is labelled twice, first in line ${earlier}; keep one line a user`,
      )
    lineOf.set(userId, i + 1)
    labels.push({ ...label, at })
  }
  return labels
}

/** Parses a persona set file: {version, personas: [{name, description, keywords?}]}. Throws UsageError. */
export function parsePersonaSet(text: string, file: string): PersonaDefinition[] {
  const value = explained(() => JSON.parse(withoutMark(text)) as unknown, { at: file, form: setForm })
  const personas = (value as { personas?: unknown } | null)?.personas
  if (!Array.isArray(personas) || personas.length === 0)
    throw new UsageError(`${file}: there is no list of personas; ${setForm}`)
  const placeOf = new Map<string, number>()
  return personas.map((entry: unknown, i) => {
    const at = `${file}, persona ${i + 1}`
    const persona = explained(() => personaOf(entry), { at, form: setForm })
    const earlier = placeOf.get(persona.name)
    if (earlier !== undefined)
      throw new UsageError(
        `${at}: ${JSON.stringify(persona.name)} is named twice, first by persona ${earlier}; keep one of them`,
      )
    placeOf.set(persona.name, i + 1)
    return persona
  })
}

/**
 * The import of labels: persona set (given, or the distinct names of the labels in code-unit order), shares, and a
 * hash of the content. The order of a given set is part of the content: it breaks ties. Throws UsageError.
 */
export function importOf(
  labels: readonly LabelLine[],
  personaSet?: readonly PersonaDefinition[],
): PrototypeImport {
  const personas = personaSet?.map(canonicalPersona) ?? namesOf(labels).map((name) => ({ name }))
  const indexOf = new Map(personas.map(({ name }, i) => [name, i]))
  if (indexOf.size !== personas.length) throw new UsageError('the persona set names a persona twice')
  if (personas.length > personasMax)
    throw new UsageError(`${personas.length} personas; a set has at most ${personasMax}`)
  if (labels.length > prototypesMax)
    throw new UsageError(`${labels.length} prototypes; a set has at most ${prototypesMax}`)
  const seen = new Set<string>()
  const prototypes = labels.map((label) => {
    const userId = label.user_id
    if (seen.has(userId))
      throw new UsageError(`user ${JSON.stringify(userId)} is labelled twice; keep one line a user`)
    seen.add(userId)
    const note = noteOf(label)
    return { userId: userId as UserId, shares: sharesOfLabel(label, indexOf), ...(note && { note }) }
  })
  prototypes.sort((a, b) => (a.userId < b.userId ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify({ personas, prototypes })).digest('hex')
  return { hash, personas, prototypes }
}

/** Labels back from shares, in the file's format. */
export function labelLineOf(
  { userId, shares, note = {} }: { userId: string; shares: ShareList; note?: LabelNote | undefined },
  personas: readonly PersonaDefinition[],
): LabelLine {
  const { heldOut, labeller, rationale } = note
  return {
    user_id: userId,
    personas: Object.fromEntries(
      shares.map(({ persona, share }) => [personas[persona]!.name, share / shareOne]),
    ),
    ...(heldOut === true && { held_out: true }),
    ...(labeller !== undefined && { labeller }),
    ...(rationale !== undefined && { rationale }),
  }
}

/** What a line says beside the labels; undefined for nothing. */
function noteOf({ held_out, labeller, rationale }: LabelLine): LabelNote | undefined {
  if (held_out !== true && labeller === undefined && rationale === undefined) return undefined
  return {
    ...(held_out === true && { heldOut: true as const }),
    ...(labeller !== undefined && { labeller }),
    ...(rationale !== undefined && { rationale }),
  }
}

function sharesOfLabel(
  { user_id: userId, personas: label, at }: LabelLine,
  indexOf: ReadonlyMap<string, number>,
): ShareList {
  const weights = entriesOf(label).map(([name, weight]) => {
    const persona = indexOf.get(name)
    if (persona === undefined)
      throw new UsageError(
        `${at === undefined ? '' : `${at}: `}user ${JSON.stringify(userId)} is labelled ${JSON.stringify(name)}, which the persona set does not have`,
      )
    return { persona, weight }
  })
  return sharesOf(weights)
}

function namesOf(labels: readonly LabelLine[]): string[] {
  const names = new Set<string>()
  for (const { personas } of labels) for (const [name] of entriesOf(personas)) names.add(name)
  return [...names].sort((a, b) => (a < b ? -1 : 1))
}

function entriesOf(label: LabelLine['personas']): (readonly [string, number])[] {
  return Array.isArray(label)
    ? label.map((name: string) => [name, 1] as const)
    : Object.entries(label as Record<string, number>)
}

function labelOf(value: unknown): LabelLine {
  const { user_id, personas, held_out, labeller, rationale } = (value ?? {}) as Record<string, unknown>
  const problem = idProblem(user_id)
  if (problem !== undefined) throw new Error(`user_id ${problem}`)
  if (typeof personas !== 'object' || personas === null) throw new Error('personas is missing')
  const names: unknown[] = Array.isArray(personas) ? personas : Object.keys(personas)
  if (names.length === 0 || !names.every(isName))
    throw new Error('personas must be a list of at least one name, or an object of them')
  if (new Set(names).size !== names.length) throw new Error('a persona is named twice')
  if (!Array.isArray(personas)) checkProbabilities(Object.values(personas))
  if (held_out !== undefined && held_out !== null && typeof held_out !== 'boolean')
    throw new Error('held_out must be true or false')
  return {
    user_id: user_id as string,
    personas: personas as LabelLine['personas'],
    ...(held_out === true && { held_out }),
    ...textOf('labeller', labeller),
    ...textOf('rationale', rationale),
  }
}

/** An optional text of a line, cut to what is kept of it. */
function textOf(name: 'labeller' | 'rationale', value: unknown): { readonly [name]?: string } {
  if (value === undefined || value === null || value === '') return {}
  if (typeof value !== 'string') throw new Error(`${name} must be a text`)
  return { [name]: value.slice(0, rationaleLengthMax).toWellFormed() }
}

function checkProbabilities(weights: readonly unknown[]): void {
  let sum = 0
  for (const weight of weights) {
    if (typeof weight !== 'number' || !(weight >= 0)) throw new Error('probabilities must be numbers from 0')
    sum += weight
  }
  if (sum === 0) throw new Error('a probability must be above 0')
  if (!Number.isFinite(sum)) throw new Error('probabilities are too large to be added')
}

function personaOf(value: unknown): PersonaDefinition {
  const { name, description, keywords } = (value ?? {}) as Record<string, unknown>
  if (!isName(name) || name.trim() === '') throw new Error('it has no name')
  if (description !== undefined && description !== null && typeof description !== 'string')
    throw new Error('its description is not a text')
  if (keywords !== undefined && keywords !== null && !isTexts(keywords))
    throw new Error('its keywords are not a list of texts')
  return canonicalPersona({ name, description: description ?? '', keywords: keywords ?? [] })
}

/** In one spelling: what is empty is left out, fields stand in this order. */
function canonicalPersona({ name, description, keywords }: PersonaDefinition): PersonaDefinition {
  return {
    name,
    ...(description === undefined || description === '' ? {} : { description }),
    ...(keywords === undefined || keywords.length === 0 ? {} : { keywords: [...keywords] }),
  }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed()
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** What `read` gives; what it throws is about the place `at`, and `form` says what should stand there. */
function explained<T>(read: () => T, { at, form }: { at: string; form: string }): T {
  try {
    return read()
  } catch (error) {
    throw new UsageError(`${at}: ${(error as Error).message}; ${form}`)
  }
}
