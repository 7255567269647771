// Persona names of prototype-set versions, read once each: a row says which version its indices are of.
import type { StoreReader } from '../store/port.ts'

export class PersonaNames {
  readonly #store: StoreReader
  readonly #names = new Map<number, readonly string[]>()

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
}
