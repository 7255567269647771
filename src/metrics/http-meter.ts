// Requests by route and status: plain counts in memory, so that a request costs an addition, and Prometheus' text is made
// when it is asked for.
import { type Histogram, newHistogram, observe, requestSeconds } from './histogram.ts'

/** The status that a request is counted under whose client went before it had its answer whole; as proxies do. */
export const clientGone = 499

/** Requests of one route; statuses as they came up. */
export class RouteTimes {
  readonly method: string
  readonly route: string
  readonly byStatus = new Map<number, Histogram>()
  /** The histogram used last: nearly all answers of a route have one status. */
  #last: Histogram = newHistogram(requestSeconds)
  #lastStatus = 0

  constructor(method: string, route: string) {
    this.method = method
    this.route = route
  }

  observe(status: number, ms: number): void {
    if (status !== this.#lastStatus) this.#turnTo(status)
    observe(this.#last, ms / 1000)
  }

  #turnTo(status: number): void {
    let histogram = this.byStatus.get(status)
    if (histogram === undefined) {
      histogram = newHistogram(requestSeconds)
      this.byStatus.set(status, histogram)
    }
    this.#last = histogram
    this.#lastStatus = status
  }
}

export class HttpMeter {
  readonly #routes = new Map<string, RouteTimes>()
  /** Requests that no route takes. */
  readonly unmatched = this.route('', 'none')
  /** Requests whose answer is not written. */
  inFlight = 0
  /** How many change streams are open. */
  streams: () => number = () => 0

  /** The counts of a route, once and for all its requests. */
  route(method: string, route: string): RouteTimes {
    const key = `${method} ${route}`
    const known = this.#routes.get(key)
    if (known !== undefined) return known
    const times = new RouteTimes(method, route)
    this.#routes.set(key, times)
    return times
  }

  routes(): Iterable<RouteTimes> {
    return this.#routes.values()
  }
}
