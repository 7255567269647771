// Who holds a persona, page by page from the census; and the persona set with its sizes.
import type { UserIndex } from '../core/ids.ts'
import type { StoreReader } from '../store/port.ts'
import { answerOf, type HeldPersona } from './answer.ts'
import { byProbability, type Census, listedMax } from './census.ts'
import type { PersonaNames } from './names.ts'

export type PersonaSetAnswer = {
  readonly prototype_set_version: number
  readonly calibration_epoch: number
  /** When users were counted. */
  readonly counted_at: string
  readonly users: { readonly unknown: number; readonly inferred: number; readonly prototype: number }
  readonly personas: readonly {
    readonly name: string
    readonly description: string | null
    readonly keywords: readonly string[]
    /** Mean label share of the prototypes. */
    readonly base_rate: number
    /** Users that hold it, prototypes among them. */
    readonly users: number
  }[]
}

export type AudiencePage = {
  readonly persona: string
  readonly counted_at: string
  /** Users that held it when they were counted. */
  readonly total: number
  /** Of these so many can be paged through, the most probable ones. */
  readonly listed: number
  readonly users: readonly { user_id: string; probability: number; since: string; primary: boolean }[]
  /** Hand it in as `after` for the next page; null at the end. */
  readonly next: string | null
}

export function personaSetOf(census: Census): PersonaSetAnswer {
  return {
    prototype_set_version: census.version,
    calibration_epoch: census.epoch,
    counted_at: new Date(census.at).toISOString(),
    users: census.statuses,
    personas: census.personas.map(({ name, description, keywords }, c) => ({
      name,
      description: description ?? null,
      keywords: keywords ?? [],
      base_rate: census.baseRates[c]!,
      users: census.groups.get(name)!.users,
    })),
  }
}

/** A place in the order of holders. */
export type Place = { readonly user: UserIndex; readonly probability: number }

/**
 * One page of a persona's holders; undefined when the set has no such persona. Each is read anew: who was erased or left
 * since the count is not shown, so a page may be shorter than `limit` although another follows.
 */
export function audiencePage(
  { store, names, census }: { store: StoreReader; names: PersonaNames; census: Census },
  { persona, after, limit }: { persona: string; after: Place | undefined; limit: number },
): AudiencePage | undefined {
  const group = census.groups.get(persona)
  if (group === undefined) return undefined
  const from = after === undefined ? 0 : placeOf(group.listed, after)
  const taken = group.listed.slice(from, from + limit)
  const last = taken.at(-1)
  const users = taken.flatMap(({ user }) => {
    const row = store.user(user)
    const answer = row && answerOf(row, names)
    const held = answer?.personas.find((entry: HeldPersona) => entry.persona === persona)
    if (answer === undefined || held === undefined) return []
    const { probability, since } = held
    return [{ user_id: answer.user_id, probability, since, primary: answer.primary === persona }]
  })
  return {
    persona,
    counted_at: new Date(census.at).toISOString(),
    total: group.users,
    listed: Math.min(group.users, listedMax),
    users: users.sort((a, b) => b.probability - a.probability),
    next: last === undefined || from + limit >= group.listed.length ? null : encodePlace(last),
  }
}

/** Index of the first holder behind `place`. */
function placeOf(listed: readonly Place[], place: Place): number {
  let [low, high] = [0, listed.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (byProbability(listed[middle]!, place) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

function encodePlace({ user, probability }: Place): string {
  const bytes = Buffer.alloc(12)
  bytes.writeDoubleBE(probability, 0)
  bytes.writeUInt32BE(user, 8)
  return bytes.toString('base64url')
}

/** The place that a page ended with; undefined for text that no page gave out. */
export function decodePlace(text: string): Place | undefined {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== 12 || bytes.toString('base64url') !== text) return undefined
  const probability = bytes.readDoubleBE(0)
  if (!(probability >= 0 && probability <= 1)) return undefined
  return { user: bytes.readUInt32BE(8) as UserIndex, probability }
}
