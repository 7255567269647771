// backup DIR: a live copy of the data; restoring it is naming it with --data.
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { FatalError, messageOf, UsageError } from '../errors.ts'
import { tokensPath } from '../http/tokens.ts'
import { openLog, openReader, type Place, requireData } from '../profiler.ts'
import { hasWebhooks } from '../sink/webhook/store.ts'
import { openWebhookStore } from '../webhooks.ts'
import { configOf, type DataOptions, withData } from './context.ts'
import { print, printJson } from './output.ts'

export function addBackup(program: Command): void {
  withData(program.command('backup'))
    .description('copy the data while it is in use; the copy is a data directory (use it with --data)')
    .argument('<dir>', 'directory to make')
    .action(async (target: string, options: DataOptions) => {
      requireData(options.data)
      if (existsSync(target) && (!statSync(target).isDirectory() || readdirSync(target).length > 0))
        throw new UsageError(`${target} is not an empty directory: name a new directory`)
      const position = await backup(options.data, target)
      if (options.json) printJson({ backup: target, position })
      else print(`${target} holds the data as of position ${position}\n`)
    })
}

/**
 * Copies webhooks and the log first, then the state: a state ahead of its log has applied all that the log lacks, and has
 * kept what webhooks have not taken, while the other way round records could be missing. Each copy is one consistent
 * snapshot.
 */
async function backup(dir: string, target: string): Promise<number> {
  const place = { dir, config: configOf() }
  const log = openLog(place)
  const store = openReader(place)
  try {
    for (const name of ['log', 'state']) mkdirSync(join(target, name), { recursive: true })
    await copyWebhooks(place, target)
    if (existsSync(tokensPath(dir))) copyFileSync(tokensPath(dir), tokensPath(target)) // with its mode: for its owner alone
    await log.backup(join(target, 'log'))
    await store.backup(join(target, 'state'))
  } catch (error) {
    throw new FatalError(
      `the backup to ${target} failed: ${messageOf(error)}; remove what is there and try again`,
    )
  } finally {
    await log.close()
    await store.close()
  }
  const copy = openReader({ dir: target, config: place.config })
  try {
    return copy.counters().position
  } finally {
    await copy.close()
  }
}

async function copyWebhooks(place: Place, target: string): Promise<void> {
  if (!hasWebhooks(place.dir)) return
  const webhooks = openWebhookStore(place)
  try {
    await webhooks.backup(target)
  } finally {
    await webhooks.close()
  }
}
