// A seeded shuffle.
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
