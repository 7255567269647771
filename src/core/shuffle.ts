// Seeded orders: a shuffle, and one that hardly changes when somebody comes or goes.
import { rngFor } from './rng.ts'

/** Fisher–Yates over a copy: a function of the order given and the seed. */
export function shuffled<T>(all: readonly T[], seed: number): T[] {
  const rng = rngFor({ seed, text: 'shuffle', position: 0 })
  const order = [...all]
  for (let i = order.length - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    const value = order[i]!
    order[i] = order[j]!
    order[j] = value
  }
  return order
}

/** By a seeded hash of each one's id: without some of them, the others stay in the order they had. */
export function hashOrdered<T extends { readonly userId: string }>(all: readonly T[], seed: number): T[] {
  const place = new Map(
    all.map((one) => [one, rngFor({ seed, text: one.userId, position: 0 }).below(2 ** 32)]),
  )
  return [...all].sort((a, b) => place.get(a)! - place.get(b)! || (a.userId < b.userId ? -1 : 1))
}
