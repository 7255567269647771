/**
 * Seeded randomness of the demo shop: sfc32 (Chris Doty-Humphrey, PractRand), seeded through splitmix32.
 * Only integer arithmetic, sums and table look-ups decide a draw, so a seed gives the same shop on every
 * runtime and platform.
 */

export type Random = {
  /** A number in [0, 1), a multiple of 2⁻³². */
  readonly uniform: () => number
  /** A whole number in [0, bound); bound from 1 to 2³². */
  readonly integer: (bound: number) => number
  /** True with probability p. */
  readonly chance: (p: number) => boolean
  /** Mean 0, variance 1, within ±6: twelve uniforms less six, which needs no libm. */
  readonly normal: () => number
}

/** A random stream that is a function of `seed` (a safe integer) alone. */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed must be a whole number, got ${seed}`)
  const next = sfc32(seed)
  const uniform = (): number => next() / 2 ** 32
  const normal = (): number => {
    let sum = -6
    for (let term = 0; term < 12; term++) sum += uniform()
    return sum
  }
  return { uniform, normal, integer: (bound) => Math.floor(uniform() * bound), chance: (p) => uniform() < p }
}

/** Cumulative weights, for `draw`: entry i is the sum of weights 0..i. At least one weight is above zero. */
export function cumulate(weights: Iterable<number>): Float64Array {
  let sum = 0
  const cumulative = Float64Array.from(weights, (weight) => {
    if (!(weight >= 0)) throw new RangeError(`a weight must be zero or more, got ${weight}`)
    sum += weight
    return sum
  })
  if (!(sum > 0)) throw new RangeError('no weight is above zero')
  return cumulative
}

/** An index drawn with probability proportional to its weight; O(log n). */
export function draw(random: Random, cumulative: Float64Array): number {
  const target = random.uniform() * cumulative[cumulative.length - 1]!
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (cumulative[middle]! > target) high = middle
    else low = middle + 1
  }
  return low
}

/** `count` distinct entries of `from` (all if it has fewer), every choice equally likely; `from` is untouched. */
export function sample<T>(random: Random, { from, count }: { from: readonly T[]; count: number }): T[] {
  const pool = from.slice()
  const size = Math.min(count, pool.length)
  for (let i = 0; i < size; i++) {
    const j = i + random.integer(pool.length - i)
    const taken = pool[j]!
    pool[j] = pool[i]!
    pool[i] = taken
  }
  return pool.slice(0, size)
}

function sfc32(seed: number): () => number {
  const words = splitmix32(seed)
  let a = words()
  let b = words()
  let c = words()
  let counter = 1
  const next = (): number => {
    const result = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + result) | 0
    return result >>> 0
  }
  // The author's warm-up: the first outputs still show the seed.
  for (let round = 0; round < 12; round++) next()
  return next
}

function splitmix32(seed: number): () => number {
  // Both halves of a 53-bit seed count, so that seeds 2³² apart differ.
  let state = ((seed % 2 ** 32) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b)) | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let word = state
    word = Math.imul(word ^ (word >>> 16), 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    return (word ^ (word >>> 15)) | 0
  }
}
