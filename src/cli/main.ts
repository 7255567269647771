#!/usr/bin/env -S node --min-semi-space-size=16 --no-memory-reducer
// The command line: one file a command; exit 0 when it worked, 1 when it failed, 2 when it was used wrongly.
import { Command, CommanderError } from 'commander'
import { messageOf, UsageError } from '../errors.ts'
import { versionOf } from '../version.ts'

/** In the order of the help. One is loaded when it is called: loading all of them takes about twice as long. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  demo: async () => (await import('./demo.ts')).addDemo,
  replay: async () => (await import('./replay.ts')).addReplay,
  serve: async () => (await import('./serve.ts')).addServe,
  prototypes: async () => (await import('./prototypes.ts')).addPrototypes,
  personas: async () => (await import('./personas.ts')).addPersonas,
  lookup: async () => (await import('./lookup.ts')).addLookup,
  explain: async () => (await import('./explain.ts')).addExplain,
  export: async () => (await import('./export.ts')).addExport,
  calibrate: async () => (await import('./calibrate.ts')).addCalibrate,
  evaluate: async () => (await import('./evaluate.ts')).addEvaluate,
  verify: async () => (await import('./verify.ts')).addVerify,
  erase: async () => (await import('./erase.ts')).addErase,
  backup: async () => (await import('./backup.ts')).addBackup,
  migrate: async () => (await import('./migrate.ts')).addMigrate,
  quarantine: async () => (await import('./quarantine.ts')).addQuarantine,
  sinks: async () => (await import('./sinks.ts')).addSinks,
  tokens: async () => (await import('./tokens.ts')).addTokens,
  webhooks: async () => (await import('./webhooks.ts')).addWebhooks,
  topics: async () => (await import('./topics.ts')).addTopics,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  config: async () => (await import('./config.ts')).addConfig,
}

async function main(): Promise<number> {
  const program = new Command('kindred')
    .description('tells a shop who its shoppers are, while they shop')
    .version(versionOf())
    .showHelpAfterError('(--help tells more)')
    .exitOverride()
  const [name = ''] = process.argv.slice(2)
  const called = Object.hasOwn(commands, name) ? [commands[name]!] : Object.values(commands)
  for (const load of called) (await load())(program)
  exitOnUsage(program)
  try {
    await program.parseAsync()
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return 0 // the reader of stdout had enough
    process.stderr.write(`kindred: ${messageOf(error)}\n`)
    if (process.env.KINDRED_LOG_LEVEL === 'debug' && error instanceof Error)
      process.stderr.write(`${error.stack}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

/** Commander's own errors (an unknown option, a missing argument) end with 2 in every subcommand. */
function exitOnUsage(command: Command): void {
  command.exitOverride()
  for (const sub of command.commands) exitOnUsage(sub)
}

// a reader that ends early (`kindred export users | head`) is not an error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exit(await main())
