// An end to waiting for others: a signal that aborts after so long, or with the caller's own.
//
// Node holds AbortSignal.timeout weakly, and what AbortSignal.any makes of it: where nothing else refers to them they are
// collected before their time, and the wait has no end. Here a timer holds the signal until the deadline is disposed of.

export type Deadline = Disposable & {
  readonly signal: AbortSignal
  /** The time was up before the caller gave up. */
  readonly passed: boolean
}

/** A deadline `ms` from now, which `signal` may bring forward. It keeps no process alive. */
export function deadlineIn(ms: number, signal?: AbortSignal): Deadline {
  const controller = new AbortController()
  let passed = false
  const timer = setTimeout(() => {
    passed = !controller.signal.aborted
    controller.abort(new DOMException('it took too long', 'TimeoutError'))
  }, ms)
  timer.unref()
  const giveUp = () => controller.abort(signal?.reason)
  if (signal?.aborted === true) giveUp()
  signal?.addEventListener('abort', giveUp, { once: true })
  return {
    signal: controller.signal,
    get passed() {
      return passed
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    },
  }
}
