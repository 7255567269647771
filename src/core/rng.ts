// Seeded randomness for sampled walks: xoshiro128** (Blackman & Vigna 2018) seeded by splitmix32 over a name.

export type Rng = { /** Uniform whole number in [0, bound), bound ≤ 2³². */ below(bound: number): number }

/** A generator that is a function of (seed, text, position) alone. */
export function rngFor({ seed, text, position }: { seed: number; text: string; position: number }): Rng {
  let h = (seed ^ 0x9e3779b9) >>> 0
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0
  h = Math.imul(h ^ (position % 2 ** 32), 0x85ebca6b) ^ Math.floor(position / 2 ** 32)
  const next = (): number => {
    h = (h + 0x9e3779b9) | 0
    let z = h
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) | 0
  }
  return new Xoshiro128([next(), next(), next(), next() | 1])
}

class Xoshiro128 implements Rng {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor([a, b, c, d]: readonly [number, number, number, number]) {
    this.#a = a
    this.#b = b
    this.#c = c
    this.#d = d
  }

  below(bound: number): number {
    const b = this.#b
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0
    this.#c ^= this.#a
    this.#d ^= b
    this.#b = b ^ this.#c
    this.#a ^= this.#d
    this.#c ^= b << 9
    this.#d = rotl(this.#d, 11)
    return Math.floor((result / 2 ** 32) * bound)
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}
