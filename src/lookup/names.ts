// What rows refer to, read once each: persona names by prototype-set version, and epochs.
import type { Epoch } from '../core/epoch.ts'
import type { StoreReader } from '../store/port.ts'

export class PersonaNames {
  readonly #store: StoreReader
  readonly #names = new Map<number, readonly string[]>()
  readonly #quoted = new Map<number, readonly string[]>()
  readonly #epochs = new Map<number, Epoch>()

  constructor(store: StoreReader) {
    this.#store = store
  }

  of(version: number): readonly string[] {
    let names = this.#names.get(version)
    if (names === undefined) {
      names = this.#store.version(version)?.personas.map(({ name }) => name) ?? []
      this.#names.set(version, names)
    }
    return names
  }

  /** The names as JSON strings. */
  quoted(version: number): readonly string[] {
    let quoted = this.#quoted.get(version)
    if (quoted === undefined) {
      quoted = this.of(version).map((name) => JSON.stringify(name))
      this.#quoted.set(version, quoted)
    }
    return quoted
  }

  /** The epoch that a row was decided under; undefined for none, and for one that is gone. */
  epoch(epoch: number): Epoch | undefined {
    if (epoch === 0) return undefined
    const kept = this.#epochs.get(epoch)
    if (kept !== undefined) return kept
    const stored = this.#store.epoch(epoch)
    if (stored !== undefined) this.#epochs.set(epoch, stored)
    return stored
  }
}
