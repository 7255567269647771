// The logger of one request, which names the request in each line: made when something is logged. Fastify asks for one at each
// request, and pino takes longer to make one than a lookup takes to be read.
import type { FastifyBaseLogger } from 'fastify'

type Bindings = Parameters<FastifyBaseLogger['child']>[0]
type Options = Parameters<FastifyBaseLogger['child']>[1]

class RequestLogger implements FastifyBaseLogger {
  readonly #parent: FastifyBaseLogger
  readonly #bindings: Bindings
  readonly #options: Options
  #made: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, bindings: Bindings, options: Options) {
    this.#parent = parent
    this.#bindings = bindings
    this.#options = options
  }

  get #own(): FastifyBaseLogger {
    this.#made ??= this.#parent.child(this.#bindings, this.#options)
    return this.#made
  }

  get level(): string {
    return this.#own.level
  }
  set level(level: string) {
    this.#own.level = level
  }

  child(bindings: Bindings, options?: Options): FastifyBaseLogger {
    return this.#own.child(bindings, options)
  }

  fatal(...line: unknown[]): void {
    this.#own.fatal(...(line as [string]))
  }
  error(...line: unknown[]): void {
    this.#own.error(...(line as [string]))
  }
  warn(...line: unknown[]): void {
    this.#own.warn(...(line as [string]))
  }
  info(...line: unknown[]): void {
    this.#own.info(...(line as [string]))
  }
  debug(...line: unknown[]): void {
    this.#own.debug(...(line as [string]))
  }
  trace(...line: unknown[]): void {
    this.#own.trace(...(line as [string]))
  }
  silent(...line: unknown[]): void {
    this.#own.silent(...(line as [string]))
  }
}

/** Fastify's `childLoggerFactory`. */
export function requestLogger(
  logger: FastifyBaseLogger,
  bindings: Bindings,
  options: Options,
): FastifyBaseLogger {
  return new RequestLogger(logger, bindings, options)
}
