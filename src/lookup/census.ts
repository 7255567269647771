// The census: how many users hold each persona, and who holds it most probably. Counting reads every user's row, so it is
// done in slices between requests, at most once in a while, and what it keeps is bounded.
import { setTimeout as sleep } from 'node:timers/promises'
import type { UserIndex } from '../core/ids.ts'
import { type PersonaDefinition, priorOf } from '../core/prototype.ts'
import { TransientError } from '../errors.ts'
import type { StoreReader } from '../store/port.ts'
import { answerOf } from './answer.ts'
import type { PersonaNames } from './names.ts'
import { moved, type Sliced, type Slices, sorted, unlessMoved } from './slices.ts'
import { activeVersionOf } from './snapshot.ts'

/** A count stands for so long, and at least this many times what it took. */
const standsMs = 5_000
const standsTimes = 20
/** Users read between pauses. */
const stepUsers = 32
/** Holders of one persona that are listed, most probable first. */
export const listedMax = 10_000
/** How long a request waits for the first count, and for one that replaces another. */
const firstMsMax = 10_000
const nextMsMax = 500

/** Switches of versions, one after another, that a count is begun anew for. */
const beginningsMax = 4

type Holder = { readonly user: UserIndex; readonly probability: number }
type Group = { users: number; listed: Holder[] }

export type Census = {
  /** When it was begun, ms of the clock. */
  readonly at: number
  readonly version: number
  readonly epoch: number
  readonly statuses: Readonly<Record<'unknown' | 'inferred' | 'prototype', number>>
  readonly personas: readonly PersonaDefinition[]
  readonly baseRates: readonly number[]
  readonly groups: ReadonlyMap<string, Readonly<Group>>
}

export class CensusTaker {
  readonly #store: StoreReader
  readonly #names: PersonaNames
  readonly #now: () => number
  #taken: Census | undefined
  #until = 0
  #counting: Promise<Census> | undefined
  readonly #slices: Slices

  /** `now`: ms of the clock. */
  constructor(
    store: StoreReader,
    { names, slices, now }: { names: PersonaNames; slices: Slices; now: () => number },
  ) {
    this.#store = store
    this.#names = names
    this.#slices = slices
    this.#now = now
  }

  /** The count, a few seconds old at the most if that can be had in half a second. Throws TransientError while there is none. */
  async take(): Promise<Census> {
    const fresh = this.#taken !== undefined && performance.now() < this.#until
    if (fresh && this.#taken!.version === this.#store.counters().version) return this.#taken!
    this.#counting ??= this.#slices.run(this.#count()).finally(() => {
      this.#counting = undefined
    })
    const late = new AbortController()
    const wait = sleep(this.#taken === undefined ? firstMsMax : nextMsMax, undefined, { signal: late.signal })
    const taken = await Promise.race([this.#counting, wait.catch(() => undefined)])
    late.abort()
    const census = taken ?? this.#taken
    if (census === undefined) throw new TransientError('users are being counted for the first time')
    return census
  }

  /** Counts anew when meanwhile another version is switched to: what was counted speaks of other personas. */
  *#count(): Sliced<Census> {
    for (let n = 0; n < beginningsMax; n++) {
      const { version } = this.#store.counters()
      const taken = yield* unlessMoved(this.#countOnce(), () => this.#store.counters().version === version)
      if (taken !== moved) return taken
    }
    throw new TransientError('prototype-set versions follow one another faster than users are counted')
  }

  *#countOnce(): Sliced<Census> {
    const began = performance.now()
    const at = this.#now()
    const { version: active, epoch, userIndices } = this.#store.counters()
    const version = activeVersionOf(this.#store)
    const statuses = { unknown: 0, inferred: 0, prototype: 0 }
    const groups = new Map<string, Group>(
      version.personas.map(({ name }) => [name, { users: 0, listed: [] }]),
    )
    for (let user = 0; user < userIndices; user++) {
      if (user % stepUsers === 0) yield
      const row = this.#store.user(user as UserIndex)
      if (row === undefined) continue
      statuses[row.status]++
      if (row.held.length === 0) continue
      for (const { persona, probability } of answerOf(row, this.#names).personas)
        yield* note(groups.get(persona), { user: user as UserIndex, probability })
    }
    for (const group of groups.values()) yield* keepMostProbable(group)
    this.#taken = {
      at,
      version: active,
      epoch,
      statuses,
      personas: version.personas,
      baseRates: [...priorOf(version)],
      groups,
    }
    this.#until = performance.now() + Math.max(standsMs, standsTimes * (performance.now() - began))
    return this.#taken
  }
}

/** A group keeps twice as many as are listed before it drops the lower half: sorting is paid once for many. */
function* note(group: Group | undefined, holder: Holder): Sliced<void> {
  if (group === undefined) return // a persona of the version before, whose users are about to be decided anew
  group.users++
  group.listed.push(holder)
  if (group.listed.length >= 2 * listedMax) yield* keepMostProbable(group)
}

function* keepMostProbable(group: Group): Sliced<void> {
  group.listed = (yield* sorted(group.listed, byProbability)).slice(0, listedMax)
}

/** Most probable first, ties by index: a total order, so that a place in it can be come back to. */
export function byProbability(a: Holder, b: Holder): number {
  return b.probability - a.probability || a.user - b.user
}
