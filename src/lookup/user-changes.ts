// The kept change events of one user. The feed is in order of time and has no index by user: here stands one in memory,
// four bytes a change, made when it is first asked for and brought up to date by what came since.
import type { UserIndex } from '../core/ids.ts'
import type { StoreReader } from '../store/port.ts'
import type { Sliced, Slices } from './slices.ts'

/** Newest changes that the index reaches back over: 32 MB. */
export const indexedChangesMax = 8_000_000
/** Rows read between pauses. */
const stepRows = 128

export type UserChanges = {
  /** Change events as JSON, oldest first. */
  readonly changes: readonly string[]
  /** Cursor of the last one looked at: the next page begins behind it. */
  readonly cursor: number
  readonly more: boolean
}

/** A user index that none is ever given stands for what is not there. */
const nobody = 2 ** 32 - 1

export class ChangeIndex {
  readonly #store: StoreReader
  readonly #slices: Slices
  /** Users by change number, from `#first` on. */
  #users = new Uint32Array(1024)
  #first = 0
  #end = 0
  #updating: Promise<void> | undefined

  constructor(store: StoreReader, slices: Slices) {
    this.#store = store
    this.#slices = slices
  }

  /** Changes of `user` behind the cursor `after`, `limit` at the most. */
  async of(
    user: UserIndex,
    { after = 0, limit }: { after?: number | undefined; limit: number },
  ): Promise<UserChanges> {
    // one that is under way may have begun before the changes that the caller knows of; a second one has not
    for (let round = 0; round < 2 && this.#end < this.#store.counters().changes; round++) {
      this.#updating ??= this.#slices.run(this.#update()).finally(() => {
        this.#updating = undefined
      })
      await this.#updating
    }
    const changes: string[] = []
    let cursor = Math.max(after, this.#first)
    const end = this.#end
    for (;;) {
      const at = this.#users.subarray(0, end - this.#first).indexOf(user, cursor - this.#first)
      if (at < 0) return { changes, cursor: Math.max(after, end), more: false }
      if (changes.length === limit) return { changes, cursor, more: true }
      const number = this.#first + at
      cursor = number + 1
      const [row] = this.#store.changes(number, 1)
      if (row?.number === number) changes.push(row.json) // else trimmed or erased since
    }
  }

  *#update(): Sliced<void> {
    const end = this.#store.counters().changes
    this.#forget(Math.max(this.#store.changesBegin(), end - indexedChangesMax))
    while (this.#end < end) {
      const rows = this.#store.changes(this.#end, stepRows)
      const last = rows.at(-1)
      const next =
        last === undefined || rows.length < stepRows
          ? Math.max(end, (last?.number ?? 0) + 1)
          : last.number + 1
      this.#reserve(next - this.#first)
      this.#users.fill(nobody, this.#end - this.#first, next - this.#first)
      for (const { number, userIndex } of rows) this.#users[number - this.#first] = userIndex
      this.#end = next
      yield
    }
  }

  /** Drops what lies below `first`, once that is worth moving the rest. */
  #forget(first: number): void {
    const dropped = first - this.#first
    if (dropped <= 0 || (first < this.#end && dropped < (this.#end - this.#first) / 4)) return
    if (first < this.#end) this.#users.copyWithin(0, dropped, this.#end - this.#first)
    this.#first = first
    this.#end = Math.max(this.#end, first)
  }

  #reserve(length: number): void {
    if (length <= this.#users.length) return
    const grown = new Uint32Array(Math.max(length, this.#users.length * 2))
    grown.set(this.#users)
    this.#users = grown
  }
}
