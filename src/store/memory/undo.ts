// What a transaction in memory has changed so far, as steps that take it back; and maps read in order of their keys.
import { assert } from '../../core/assert.ts'
import type { Counters } from '../port.ts'

/** What the parts of the store share. */
export type MemoryState = { readonly undo: UndoLog; readonly count: Counters }

export class UndoLog {
  #steps: (() => void)[] = []
  #writing = false

  begin(): void {
    assert(!this.#writing, 'transactions do not nest')
    this.#writing = true
  }

  /** Every change of the state tells here how it is taken back. */
  add(step: () => void): void {
    assert(this.#writing, 'state changes inside a transaction alone')
    this.#steps.push(step)
  }

  commit(): void {
    this.#steps = []
    this.#writing = false
  }

  rollback(): void {
    while (this.#steps.length > 0) this.#steps.pop()!()
    this.#writing = false
  }

  /** Sets or (undefined) removes an entry. A map's own order does not survive an undo: readers sort. */
  set<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
    const before = map.get(key)
    if (before === undefined && value === undefined) return
    this.add(() => put(map, key, before))
    put(map, key, value)
  }
}

export function ascendingKeys<K extends number>(map: ReadonlyMap<K, unknown>): K[] {
  return [...map.keys()].sort((a, b) => a - b)
}

/** Values of keys in [from, end), ascending, `limit` at the most. */
export function page<V>(
  map: ReadonlyMap<number, V>,
  { from, end, limit }: { from: number; end: number; limit: number },
): V[] {
  const found: V[] = []
  for (let key = from; key < end && found.length < limit; key++) {
    const value = map.get(key)
    if (value !== undefined) found.push(value)
  }
  return found
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}
