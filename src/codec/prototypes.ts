// Codec of prototype files (NDJSON {user_id, personas}) and persona sets (JSON): text → PrototypeImport.
import { createHash } from 'node:crypto'
import type { PrototypeImport } from '../core/event.ts'
import { idProblem, type UserId } from '../core/ids.ts'
import { personasMax, prototypesMax, shareOne } from '../core/limits.ts'
import { type PersonaDefinition, type ShareList, sharesOf } from '../core/prototype.ts'
import { UsageError } from '../errors.ts'

/** One line of a prototype file: persona names of equal share, or a probability each (scaled to sum to one). */
export type LabelLine = {
  readonly user_id: string
  readonly personas: readonly string[] | Readonly<Record<string, number>>
}

/** Parses a prototype file. Throws UsageError naming the file, the line and what to do. */
export function parseLabels(text: string, file: string): LabelLine[] {
  const labels: LabelLine[] = []
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      labels.push(labelOf(JSON.parse(line)))
    } catch (error) {
      throw new UsageError(
        `${file}, line ${i + 1}: ${(error as Error).message}; a line is {"user_id": "…", "personas": ["name", …]} or {"name": probability, …}`,
        { cause: undefined },
      )
    }
  }
  return labels
}

/** Parses a persona set file: {version, personas: [{name, description, keywords?}]}. Throws UsageError. */
export function parsePersonaSet(text: string, file: string): PersonaDefinition[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`)
  }
  const personas = (value as { personas?: unknown } | null)?.personas
  if (!Array.isArray(personas))
    throw new UsageError(
      `${file} has no list "personas"; a persona set is {"version": "…", "personas": [{"name", "description"}, …]}`,
    )
  return personas.map((entry: unknown, i) => {
    const { name, description, keywords } = (entry ?? {}) as Record<string, unknown>
    if (typeof name !== 'string' || name.trim() === '')
      throw new UsageError(`${file}: persona ${i + 1} has no name`)
    return {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      ...(Array.isArray(keywords) ? { keywords: keywords.map(String) } : {}),
    }
  })
}

/**
 * The import of labels: persona set (given, or the distinct names of the labels in code-unit order), shares, and a
 * hash of the content that does not depend on the order of users. Throws UsageError.
 */
export function importOf(
  labels: readonly LabelLine[],
  personaSet?: readonly PersonaDefinition[],
): PrototypeImport {
  const personas = personaSet ?? namesOf(labels).map((name) => ({ name }))
  const indexOf = new Map(personas.map(({ name }, i) => [name, i]))
  if (indexOf.size !== personas.length) throw new UsageError('the persona set names a persona twice')
  if (personas.length > personasMax)
    throw new UsageError(`${personas.length} personas; a set has at most ${personasMax}`)
  if (labels.length > prototypesMax)
    throw new UsageError(`${labels.length} prototypes; a set has at most ${prototypesMax}`)
  const seen = new Set<string>()
  const prototypes = labels.map(({ user_id: userId, personas: label }) => {
    if (seen.has(userId))
      throw new UsageError(`user ${JSON.stringify(userId)} is labelled twice; keep one line a user`)
    seen.add(userId)
    return { userId: userId as UserId, shares: sharesOfLabel({ userId, label }, indexOf) }
  })
  prototypes.sort((a, b) => (a.userId < b.userId ? -1 : 1))
  const hash = createHash('sha256').update(JSON.stringify({ personas, prototypes })).digest('hex')
  return { hash, personas, prototypes }
}

/** Labels back from shares, in the file's format. */
export function labelLineOf(
  userId: string,
  shares: ShareList,
  personas: readonly PersonaDefinition[],
): LabelLine {
  return {
    user_id: userId,
    personas: Object.fromEntries(
      shares.map(({ persona, share }) => [personas[persona]!.name, share / shareOne]),
    ),
  }
}

function sharesOfLabel(
  { userId, label }: { userId: string; label: LabelLine['personas'] },
  indexOf: ReadonlyMap<string, number>,
): ShareList {
  const entries = Array.isArray(label)
    ? label.map((name) => [name, 1] as const)
    : Object.entries(label as Record<string, number>)
  return sharesOf(
    entries
      .filter(([, weight]) => weight > 0)
      .map(([name, weight]) => {
        const persona = indexOf.get(name)
        if (persona === undefined)
          throw new UsageError(
            `user ${JSON.stringify(userId)} is labelled ${JSON.stringify(name)}, which the persona set does not have`,
          )
        return { persona, weight }
      }),
  )
}

function namesOf(labels: readonly LabelLine[]): string[] {
  const names = new Set<string>()
  for (const { personas } of labels)
    for (const name of Array.isArray(personas) ? personas : Object.keys(personas)) names.add(name)
  return [...names].sort((a, b) => (a < b ? -1 : 1))
}

function labelOf(value: unknown): LabelLine {
  const { user_id: userId, personas } = (value ?? {}) as Record<string, unknown>
  const problem = idProblem(userId)
  if (problem !== undefined) throw new Error(`user_id ${problem}`)
  if (Array.isArray(personas)) {
    if (personas.length === 0 || !personas.every((name) => typeof name === 'string' && name !== ''))
      throw new Error('personas must be a list of at least one name')
    if (new Set(personas).size !== personas.length) throw new Error('a persona is named twice')
    return { user_id: userId as string, personas }
  }
  if (typeof personas !== 'object' || personas === null) throw new Error('personas is missing')
  const weights = Object.values(personas)
  if (
    !weights.every((weight) => Number.isFinite(weight) && weight >= 0) ||
    !weights.some((weight) => weight > 0)
  )
    throw new Error('probabilities must be numbers from 0, at least one above 0')
  return { user_id: userId as string, personas: personas as Record<string, number> }
}
