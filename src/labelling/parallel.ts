// Work on a list, some of it at a time, results as they come.

/**
 * Runs `work` on each item, at most `limit` at a time, and yields results as they come. When one throws no more are
 * started; what runs is waited for and yielded, and then the first error is thrown.
 */
export async function* inParallel<T, R>(
  items: Iterable<T>,
  { limit, work }: { limit: number; work: (item: T) => Promise<R> },
): AsyncGenerator<R> {
  const running = new Map<number, Promise<{ id: number; result?: R; error?: unknown; failed: boolean }>>()
  const iterator = items[Symbol.iterator]()
  let broken: { readonly error: unknown } | undefined
  for (let id = 0, ended = false; ; ) {
    while (!ended && broken === undefined && running.size < limit) {
      const { done, value } = iterator.next()
      if (done) {
        ended = true
        break
      }
      const own = id++
      running.set(
        own,
        work(value).then(
          (result) => ({ id: own, result, failed: false }),
          (error: unknown) => ({ id: own, error, failed: true }),
        ),
      )
    }
    if (running.size === 0) break
    const { id: which, result, error, failed } = await Promise.race(running.values())
    running.delete(which)
    if (failed) broken ??= { error }
    else yield result as R
  }
  if (broken !== undefined) throw broken.error
}
