// What may happen very often is logged so many times a minute; the line that comes next says how many were kept back.

const minuteMs = 60_000

export class LineLimit {
  readonly #perMinute: number
  #minute = Number.NEGATIVE_INFINITY
  #passed = 0
  #keptBack = 0

  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** How many lines were kept back since one passed; undefined: this one is kept back, too. `now`: ms. */
  pass(now: number): number | undefined {
    const minute = Math.floor(now / minuteMs)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#passed = 0
    }
    if (this.#passed >= this.#perMinute) {
      this.#keptBack++
      return undefined
    }
    this.#passed++
    const keptBack = this.#keptBack
    this.#keptBack = 0
    return keptBack
  }
}
