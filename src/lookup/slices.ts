// Long reads on the thread that answers lookups: written as generators that pause wherever they may be interrupted, and run
// a slice at a time, one slice of all of them together for each turn of the event loop. A command runs them to the end at once.
import { TransientError } from '../errors.ts'

/** Work that may be interrupted wherever it yields. What it reads behind a pause may be of a later state of the store. */
export type Sliced<T> = Generator<void, T>

/** Time for which long reads keep other requests waiting, and how many may be under way. */
const sliceMs = 1
export const longReadsMax = 64

export const moved = Symbol('moved')

/** What `work` gives; or `moved`, when behind a pause the state is not the `same`: the rest would not fit what was read. */
export function* unlessMoved<T>(work: Sliced<T>, same: () => boolean): Sliced<T | typeof moved> {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
    yield
    if (!same()) return moved
  }
}

/** Runs it to the end. */
export function finish<T>(work: Sliced<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
  }
}

export class Slices {
  /** Who waits for a slice, in turn. */
  readonly #waiting: (() => void)[] = []
  #next: NodeJS.Immediate | undefined
  #running = 0
  #closed = false

  /** Throws TransientError when too many are under way, and when the service ends before it does. */
  async run<T>(work: Sliced<T>): Promise<T> {
    if (this.#running >= longReadsMax)
      throw new TransientError(`${longReadsMax} long reads are under way already`)
    this.#running++
    try {
      for (;;) {
        await this.#turn()
        if (this.#closed) throw new TransientError('the service is ending')
        const end = performance.now() + sliceMs
        do {
          const { done, value } = work.next()
          if (done === true) return value
        } while (performance.now() < end)
      }
    } finally {
      this.#running--
    }
  }

  /** Nothing is read any more: the store is about to be closed. */
  close(): void {
    this.#closed = true
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#next ??= setImmediate(() => this.#hand())
    })
  }

  #hand(): void {
    this.#next = undefined
    this.#waiting.shift()?.()
    if (this.#waiting.length > 0) this.#next = setImmediate(() => this.#hand())
  }
}

/** Rows sorted at once, and merged between pauses. */
const runRows = 256
const mergeRows = 1024

/** A sorted copy (merge sort). */
export function* sorted<T>(list: readonly T[], compare: (a: T, b: T) => number): Sliced<T[]> {
  let runs: T[][] = []
  for (let from = 0; from < list.length; from += runRows) {
    runs.push(list.slice(from, from + runRows).sort(compare))
    yield
  }
  while (runs.length > 1) {
    const merged: T[][] = []
    for (let i = 0; i < runs.length; i += 2) merged.push(yield* merge(runs[i]!, runs[i + 1] ?? [], compare))
    runs = merged
  }
  return runs[0] ?? []
}

function* merge<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): Sliced<T[]> {
  const merged: T[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    const first = j === b.length || (i < a.length && compare(a[i]!, b[j]!) <= 0)
    merged.push(first ? a[i++]! : b[j++]!)
    if (merged.length % mergeRows === 0) yield
  }
  return merged
}
