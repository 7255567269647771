// Answers that were given, as JSON, with the rows that they were made of: each lookup finds its user's row, and where that
// is as it was, so is the answer. Making one takes several times as long.
import type { UserIndex } from '../core/ids.ts'
import type { SeenRow, StoreReader } from '../store/port.ts'
import { answerJson } from './answer-json.ts'
import type { PersonaNames } from './names.ts'

/** Memory of answers that are kept, as far as it can be counted; what was not asked for lately goes first. */
const keptBytesMax = 64 << 20
/** Of an answer beside its bytes and its row's: objects, and its place in the index. */
const bytesBeside = 384

/** Indices are not given again, so that an index with a row is the same user's. */
type Kept = { readonly user: UserIndex; readonly seen: SeenRow; readonly json: string }

export class AnswerCache {
  readonly #store: StoreReader
  readonly #names: PersonaNames
  /** By user id, those asked for since the generation began; and those of the generation before. */
  #young = new Map<string, Kept>()
  #old = new Map<string, Kept>()
  #youngBytes = 0

  constructor(store: StoreReader, names: PersonaNames) {
    this.#store = store
    this.#names = names
  }

  /** The answer for `userId`; undefined for a user never seen (or erased). */
  lookUpJson(userId: string): string | undefined {
    const young = this.#young.get(userId)
    const kept = young ?? this.#old.get(userId)
    if (kept === undefined || this.#store.userIsAs?.(kept.user, kept.seen) !== true)
      return this.#lookUpAnew(userId)
    if (young === undefined) this.#keep(userId, kept)
    return kept.json
  }

  #lookUpAnew(userId: string): string | undefined {
    const user = this.#store.userIndexOf(userId)
    const row = user === undefined ? undefined : this.#store.user(user)
    if (user === undefined || row === undefined) {
      this.#young.delete(userId) // of an erased user nothing stays
      this.#old.delete(userId)
      return undefined
    }
    const json = answerJson(row, this.#names)
    const seen = this.#store.userSeen?.(user)
    if (seen !== undefined) this.#keep(userId, { user, seen, json })
    return json
  }

  #keep(userId: string, kept: Kept): void {
    this.#young.set(userId, kept)
    this.#youngBytes += bytesBeside + userId.length + kept.json.length + kept.seen.bytes.length
    if (this.#youngBytes < keptBytesMax / 2) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngBytes = 0
  }
}
