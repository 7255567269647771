// serve: ingest on a worker thread, lookups and events over HTTP, until SIGTERM or SIGINT.
import { type Command, Option } from 'commander'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { UsageError } from '../errors.ts'
import { type Role, roles } from '../http/role.ts'
import { configOf, withData } from './context.ts'
import { openStderrLogger } from './logger.ts'
import { readImport } from './read-import.ts'

type ServeOptions = {
  readonly data: string
  readonly host?: string
  readonly port?: string
  readonly changes?: string
  readonly prototypes?: string
  readonly personas?: string
  readonly standby: boolean
  readonly role: Role
}

export function addServe(program: Command): void {
  withData(program.command('serve'))
    .description('ingest events and answer lookups over HTTP')
    .option('--host <host>', 'address to listen on')
    .option('--changes <file>', 'append change events to this file as NDJSON')
    .option('--port <port>', 'port to listen on (0: a free one)')
    .option(
      '--prototypes <file>',
      'NDJSON {user_id, personas}: labelled users, imported once by their content',
    )
    .option('--personas <file>', 'JSON persona set of --prototypes')
    .option(
      '--standby',
      'wait while another process writes the directory, and take over when it ends (always so with Kafka)',
      false,
    )
    .addOption(
      new Option(
        '--role <role>',
        'ingest: take events; lookup: answer from a directory that another process writes, in as many processes as there are cores; all: both',
      )
        .choices([...roles])
        .default('all'),
    )
    .action(async (options: ServeOptions) => {
      refuseForLookups(options)
      const config = configOf({
        ...(options.host === undefined ? {} : { host: options.host }),
        ...(options.port === undefined ? {} : { port: options.port as never }),
      })
      const log = openStderrLogger(config.logLevel)
      try {
        await serveUntilTold(options, { config, logger: log.logger })
      } finally {
        await log.end()
      }
    })
}

async function serveUntilTold(
  options: ServeOptions,
  { config, logger }: { config: Config; logger: Logger },
): Promise<void> {
  const { startServer } = await import('../server.ts') // commands that do not need it start sooner
  const stopped = signalled()
  const starting = startServer({
    dir: options.data,
    config,
    role: options.role,
    logger,
    ...(options.changes === undefined ? {} : { changes: options.changes }),
    ...(options.prototypes === undefined
      ? {}
      : { prototypes: readImport(options.prototypes, options.personas) }),
    standby: options.standby || config.kafkaBrokers !== '',
  })
  const server = await Promise.race([starting, stopped])
  if (typeof server === 'string') {
    logger.info({ signal: server }, 'stopped before it served')
    return // it may be waiting for another process; what it began is as after a crash
  }
  logger.info({ address: server.address, role: options.role, data: options.data }, 'serving')
  const failure = await Promise.race([stopped, server.failed])
  if (failure instanceof Error) {
    logger.fatal(failure.message)
    process.exitCode = 1
  } else {
    logger.info({ signal: failure }, 'draining')
    await server.drain()
  }
  await server[Symbol.asyncDispose]()
  logger.info('stopped')
}

/** Throws UsageError for what only a process that ingests can do. */
function refuseForLookups(options: ServeOptions): void {
  if (options.role !== 'lookup') return
  const named = (['changes', 'prototypes', 'personas', 'standby'] as const).find(
    (name) => options[name] !== undefined && options[name] !== false,
  )
  if (named !== undefined)
    throw new UsageError(`--${named} is for a process that ingests: leave it out, or take another --role`)
}

function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}
