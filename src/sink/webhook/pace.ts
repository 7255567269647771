// Pacing: attempts begin evenly spread, so many a second at the most, after a short burst.

/** Attempts that may begin at once after a pause, in seconds' worth. */
const burstSeconds = 0.25

export class Pace {
  readonly #gapMs: number
  readonly #burstMs: number
  /** When the next attempt would begin if all were evenly spread. */
  #next = 0

  constructor(perSecond: number) {
    this.#gapMs = 1000 / perSecond
    this.#burstMs = Math.max(0, burstSeconds * 1000 - this.#gapMs)
  }

  /** When the next attempt may begin; now or earlier: at once. */
  get from(): number {
    return this.#next - this.#burstMs
  }

  begin(now: number): void {
    this.#next = Math.max(this.#next, now) + this.#gapMs
  }

  /** The next may begin at `now`, whatever was to come before. */
  resume(now: number): void {
    this.#next = Math.min(this.#next, now + this.#burstMs)
  }

  /** Nothing begins before `until`. */
  pause(until: number): void {
    this.#next = Math.max(this.#next, until + this.#burstMs)
  }
}
