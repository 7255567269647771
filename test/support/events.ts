// Events by hand, for tests that say what is wrong with one.

/** A purchase with any fields changed, added, or (undefined) left out. */
export function eventOf(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    event_id: 'e',
    user_id: 'u',
    product_id: 'p',
    type: 'purchase',
    ts: '2025-01-01T00:00:00Z',
    ...fields,
  }
}

/** `count` purchases of users u0, u1 …, an hour apart. */
export function purchases(count: number, fields: Record<string, unknown> = {}): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, n) =>
    eventOf({
      event_id: `e${n}`,
      user_id: `u${n}`,
      product_id: `p${n % 7}`,
      ts: new Date(Date.UTC(2025, 0, 1) + n * 3_600_000).toISOString(),
      ...fields,
    }),
  )
}

export function ndjsonOf(events: readonly object[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('')
}

/** RFC 4180, every field that needs it quoted. */
export function csvOf(events: readonly Record<string, unknown>[], columns: readonly string[]): string {
  const field = (value: unknown) => {
    const text = value === undefined || value === null ? '' : String(value)
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  const rows = events.map((event) => columns.map((column) => field(event[column])).join(','))
  return [columns.join(','), ...rows].map((row) => `${row}\n`).join('')
}
