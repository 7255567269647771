// What lookups answered, held against what the engine said: the change events of a user, folded, are its held set, primary
// and status by version; an answer must be one of these states, and never older than one that was given before.
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import type { PersonasAnswer } from '../../src/lookup/answer.ts'

type State = Pick<PersonasAnswer, 'status' | 'primary'> & {
  readonly personas: readonly { readonly persona: string }[]
}

/** What is wrong, as far as it is kept. */
const problemsMax = 20

export class History {
  /** States that were answered, by user and version. */
  readonly #answered = new Map<string, Map<number, string>>()
  /** The newest version that was answered. */
  readonly #newest = new Map<string, number>()
  readonly problems: string[] = []
  wrong = 0

  /** The version from which on answers to a request that is sent now may be; undefined for a user never answered. */
  newest(userId: string): number | undefined {
    return this.#newest.get(userId)
  }

  /** Notes an answer to a request that was sent when `newest` was what it is. */
  note(answer: PersonasAnswer, newest: number | undefined): void {
    const { user_id: userId, version } = answer
    if (newest !== undefined && version < newest)
      this.blame(`${userId} was answered version ${version} after version ${newest}`)
    this.#newest.set(userId, Math.max(version, this.#newest.get(userId) ?? 0))
    const states = this.#answered.get(userId) ?? new Map<number, string>()
    this.#answered.set(userId, states)
    const state = stateOf(answer)
    const before = states.get(version)
    if (before !== undefined && before !== state)
      this.blame(`version ${version} of ${userId} was answered as ${before}, and as ${state}`)
    states.set(version, state)
    if (!isWhole(answer)) this.blame(`torn: ${JSON.stringify(answer)}`)
  }

  blame(problem: string): void {
    this.wrong++
    if (this.problems.length < problemsMax) this.problems.push(problem)
  }

  /** Holds every answer against all changes there were, in their order; the states that were compared. */
  judge(changes: Iterable<ChangeEvent>): number {
    const told = new Map<string, Map<number, string>>()
    for (const change of changes) {
      const states = told.get(change.user_id) ?? new Map<number, string>()
      told.set(change.user_id, states)
      if (change.sequence !== states.size + 1)
        this.blame(`change ${change.sequence} of ${change.user_id} comes after ${states.size}`)
      states.set(change.sequence, stateOf(change))
    }
    const unknown = stateOf({ status: 'unknown', personas: [], primary: null })
    let compared = 0
    for (const [userId, states] of this.#answered)
      for (const [version, state] of states) {
        compared++
        const was = version === 0 ? unknown : told.get(userId)?.get(version)
        if (was !== state)
          this.blame(`version ${version} of ${userId} was ${was}, and was answered as ${state}`)
      }
    return compared
  }
}

function stateOf({ status, personas, primary }: State): string {
  return JSON.stringify([status, personas.map(({ persona }) => persona).sort(), primary])
}

/** Whether the parts of an answer fit each other. */
function isWhole({ status, personas, primary, landing_mass: mass }: PersonasAnswer): boolean {
  const shares = personas.map(({ probability }) => probability)
  const descending = shares.every((share, i) => i === 0 || share <= shares[i - 1]!)
  const held = primary === null || personas.some(({ persona }) => persona === primary)
  const landed = mass === null ? status === 'prototype' : mass >= 0 && mass <= 1
  return descending && held && landed && shares.every((share) => share > 0 && share <= 1)
}
