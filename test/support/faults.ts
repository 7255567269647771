// Things that go wrong inside a transaction: a store that throws around it, a record that throws in the middle of it.
import type { SourceRecord } from '../../src/source/port.ts'
import type { Store } from '../../src/store/port.ts'

export class Disturbance extends Error {
  override readonly name = 'Disturbance'
}

/** `disturb` makes the next transaction throw before the change or after it; all else passes through. */
export function disturbable(): { wrap(store: Store): Store; disturb(at: 'before' | 'after'): void } {
  let due: 'before' | 'after' | undefined
  const take = () => {
    const at = due
    due = undefined
    return at
  }
  return {
    disturb(at) {
      due = at
    },
    wrap: (store) =>
      replacing(store, {
        transact: (change) => {
          const at = take()
          return store.transact((tx) => {
            if (at === 'before') throw new Disturbance(at)
            const result = change(tx)
            if (at === 'after') throw new Disturbance(at)
            return result
          })
        },
      }),
  }
}

/** `store` with some methods replaced. */
export function replacing<T extends object>(store: T, methods: Partial<T>): T {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return methods[name as keyof T]
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** The records with one that cannot be read: not an invalid record, a failure of the machine. */
export function poisoned(records: readonly SourceRecord[], offset: number): SourceRecord[] {
  const poison: SourceRecord = {
    ...records[offset]!,
    get text(): string {
      throw new Disturbance('middle')
    },
  }
  return records.map((record) => (record.offset === offset ? poison : record))
}
