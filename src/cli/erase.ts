// erase USER: the right to be forgotten, as a control record.
import type { Command } from 'commander'
import { quarantinedMentionsUser } from '../codec/mentions-user.ts'
import type { UserId } from '../core/ids.ts'
import { FatalError } from '../errors.ts'
import { requireData } from '../profiler.ts'
import type { StoreReader } from '../store/port.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { print, printJson } from './output.ts'
import { quarantined } from './quarantine.ts'
import { submit } from './submit.ts'

export function addErase(program: Command): void {
  withData(program.command('erase'))
    .description(
      'erase a user: edges, answer, labels, change events, influence, and their bytes in log and quarantine',
    )
    .argument('<user>', 'user id')
    .action(async (userId: string, options: DataOptions) => {
      requireData(options.data)
      const known = await reading(
        options,
        (store) => store.userIndexOf(userId) !== undefined || inQuarantine(store, userId),
      )
      if (!known)
        throw new FatalError(
          `user ${JSON.stringify(userId)} was never seen in ${options.data} (or is erased already)`,
        )
      const { by } = await submit(
        { dir: options.data, config: configOf(), role: 'erase' },
        { kind: 'erase', userId: userId as UserId },
      )
      if (options.json) printJson({ user_id: userId, erased: true, applied_by: by })
      else
        print(
          `${userId} is erased (change files and copies outside ${options.data} still hold what was delivered)\n`,
        )
    })
}

/** Whether a quarantined record is all that is known of the user. */
function inQuarantine(store: StoreReader, userId: string): boolean {
  for (const record of quarantined(store)) if (quarantinedMentionsUser(record, userId)) return true
  return false
}
