// Assertions: what must hold if the program is right. A failure is a bug, never data: it ends the process.

export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message)
}

/** Whole and exactly representable: sums of such numbers are exact, order-free and reversible. */
export function assertWhole(value: number, what: string): void {
  if (!Number.isSafeInteger(value)) throw new AssertionFailure(`${what} left the whole numbers: ${value}`)
}

/** The end of every switch over a union: a missing case does not compile. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${JSON.stringify(value)}`)
}
