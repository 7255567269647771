// The feed of kept change events by cursor. A cursor is the number of the last change that was read, counted from 1:
// 0 is before the first; whoever comes back with one goes on behind it, or is told that what lies between is gone.
import type { ChangeRow, StoreReader } from '../store/port.ts'

export type FeedPage = {
  readonly rows: readonly ChangeRow[]
  /** Behind the last row, or at the end of the feed where there is no row. */
  readonly cursor: number
  /** Whether there is more behind the cursor already. */
  readonly more: boolean
  /** The end of the feed. */
  readonly newest: number
}
/** What lies behind the cursor is not kept any more (`oldest` is the oldest cursor that works), or never was here. */
export type FeedGone = { readonly gone: true; readonly oldest: number; readonly newest: number }

/** Changes behind `after`, ascending; without one, the oldest that are kept. */
export function readFeed(
  store: StoreReader,
  { after, limit }: { after?: number | undefined; limit: number },
): FeedPage | FeedGone {
  const oldest = store.changesBegin()
  const newest = store.counters().changes
  const from = after ?? oldest
  if (from < oldest || from > newest) return { gone: true, oldest, newest }
  const rows = store.changes(from, limit)
  const last = rows.at(-1)
  // fewer rows than asked for: what is left up to the end was erased
  const cursor = last !== undefined && rows.length === limit ? last.number + 1 : newest
  return { rows, cursor, more: cursor < newest, newest }
}
