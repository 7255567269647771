#!/usr/bin/env node
// The command line: one file a command; exit 0 when it worked, 1 when it failed, 2 when it was used wrongly.
import { Command, CommanderError } from 'commander'
import { messageOf, UsageError } from '../errors.ts'
import { versionOf } from '../version.ts'
import { addBackup } from './backup.ts'
import { addCalibrate } from './calibrate.ts'
import { addConfig } from './config.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addErase } from './erase.ts'
import { addEvaluate } from './evaluate.ts'
import { addExplain } from './explain.ts'
import { addExport } from './export.ts'
import { addLookup } from './lookup.ts'
import { addMigrate } from './migrate.ts'
import { addPersonas } from './personas.ts'
import { addPrototypes } from './prototypes.ts'
import { addQuarantine } from './quarantine.ts'
import { addReplay } from './replay.ts'
import { addServe } from './serve.ts'
import { addSinks } from './sinks.ts'
import { addTokens } from './tokens.ts'
import { addTopics } from './topics.ts'
import { addVerify } from './verify.ts'
import { addWebhooks } from './webhooks.ts'

const commands = [
  addDemo,
  addReplay,
  addServe,
  addPrototypes,
  addPersonas,
  addLookup,
  addExplain,
  addExport,
  addCalibrate,
  addEvaluate,
  addVerify,
  addErase,
  addBackup,
  addMigrate,
  addQuarantine,
  addSinks,
  addTokens,
  addWebhooks,
  addTopics,
  addDoctor,
  addConfig,
]

async function main(): Promise<number> {
  const program = new Command('kindred')
    .description('tells a shop who its shoppers are, while they shop')
    .version(versionOf())
    .showHelpAfterError('(--help tells more)')
    .exitOverride()
  for (const add of commands) add(program)
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
