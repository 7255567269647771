// Waiting for something to become so, with a limit that names it.
import { setTimeout as sleep } from 'node:timers/promises'

const msMax = 90_000
const pollMs = 10

/** Resolves with the first value of `look` that is neither false nor undefined. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = performance.now() + msMax
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`waited ${msMax / 1000} s in vain until ${what}`)
    await sleep(pollMs)
  }
}
