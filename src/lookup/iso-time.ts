// Times as answers have them: what `Date.toISOString` says, put together from parts that are there already, because an answer
// holds several and is made tens of thousands of times a second.

const dayMs = 86_400_000
/** Days whose names are kept; past them all are forgotten. */
const daysMax = 16_384
/** The year 10000, from which on years have a sign and six digits. */
const endMs = Date.UTC(10_000, 0, 1)

const minutes = Array.from(
  { length: 1440 },
  (_, at) => `${padded(Math.floor(at / 60), 2)}:${padded(at % 60, 2)}:`,
)
const seconds = Array.from({ length: 60 }, (_, at) => `${padded(at, 2)}.`)
const milliseconds = Array.from({ length: 1000 }, (_, at) => `${padded(at, 3)}Z`)
const days = new Map<number, string>()

/** `ms` since 1970 as ISO 8601. Throws RangeError for what is no time. */
export function isoTime(ms: number): string {
  if (!Number.isInteger(ms) || ms < 0 || ms >= endMs) return new Date(ms).toISOString()
  const day = Math.floor(ms / dayMs)
  const time = ms - day * dayMs
  const second = Math.floor(time / 1000)
  const minute = Math.floor(second / 60)
  return dateOf(day) + minutes[minute]! + seconds[second - minute * 60]! + milliseconds[time - second * 1000]!
}

function dateOf(day: number): string {
  let date = days.get(day)
  if (date === undefined) {
    if (days.size >= daysMax) days.clear()
    date = new Date(day * dayMs).toISOString().slice(0, '2000-01-01T'.length)
    days.set(day, date)
  }
  return date
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
