// What parts that work on their own say of themselves: lines for the log, and problems that make a service not ready.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Fields = Readonly<Record<string, unknown>>

export type Report = {
  log(level: LogLevel, message: string, fields?: Fields): void
  debug(message: string, fields?: Fields): void
  /** `part` does not work yet, as is to be expected. */
  starting(part: string, message: string): void
  /** What keeps `part` from working now; undefined once it works. */
  problem(part: string, message: string | undefined): void
}

/** How often a problem that stays is logged again. */
const repeatMs = 30_000

/** A report that logs each problem when it appears, again after a while, and when it is over. */
export class StatusReport implements Report {
  readonly #write: (level: LogLevel, message: string, fields: Fields) => void
  readonly #changed: () => void
  readonly #problems = new Map<string, { message: string; since: number; told: number }>()

  /** `changed` is called when `notReady` may have changed. */
  constructor(
    write: (level: LogLevel, message: string, fields: Fields) => void,
    changed: () => void = () => {},
  ) {
    this.#write = write
    this.#changed = changed
  }

  /** Everything that does not work now, as one line; undefined when all does. */
  get notReady(): string | undefined {
    if (this.#problems.size === 0) return undefined
    return Array.from(this.#problems, ([part, { message }]) => `${part}: ${message}`).join('; ')
  }

  log(level: LogLevel, message: string, fields: Fields = {}): void {
    this.#write(level, message, fields)
  }

  debug(message: string, fields: Fields = {}): void {
    this.#write('debug', message, fields)
  }

  starting(part: string, message: string): void {
    const now = performance.now()
    this.#problems.set(part, { message, since: now, told: now })
    this.#changed()
  }

  problem(part: string, message: string | undefined): void {
    const now = performance.now()
    const before = this.#problems.get(part)
    if (message === undefined) {
      if (before === undefined) return
      this.#problems.delete(part)
      this.#changed()
      this.#write('info', `${part} works again`, { part, seconds: Math.round((now - before.since) / 1000) })
      return
    }
    const news = before?.message !== message || now - before.told > repeatMs
    this.#problems.set(part, {
      message,
      since: before?.since ?? now,
      told: news ? now : before.told,
    })
    if (news) this.#write('warn', `${part}: ${message}`, { part })
    if (before?.message !== message) this.#changed()
  }
}
