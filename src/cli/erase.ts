// erase USER: the right to be forgotten, as a control record, and in what labelling keeps beside the state.
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { quarantinedMentionsUser } from '../codec/mentions-user.ts'
import type { UserId } from '../core/ids.ts'
import { FatalError } from '../errors.ts'
import { eraseFromLabelling } from '../labelling/erase-labelling.ts'
import { labellingDir } from '../labelling/files.ts'
import { lockLabelling } from '../labelling-lock.ts'

import { requireData } from '../profiler.ts'
import { hasWebhooks } from '../sink/webhook/store.ts'
import type { StoreReader } from '../store/port.ts'
import { openWebhookAdmin } from '../webhooks.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { print, printJson } from './output.ts'
import { quarantined } from './quarantine.ts'
import { submit } from './submit.ts'

export function addErase(program: Command): void {
  withData(program.command('erase'))
    .description(
      'erase a user: edges, answer, labels, change events, influence, what labelling keeps of them, and their bytes in log and quarantine',
    )
    .argument('<user>', 'user id')
    .action(async (userId: string, options: DataOptions) => {
      requireData(options.data)
      const known = await reading(
        options,
        (store) =>
          store.userIndexOf(userId) !== undefined ||
          inQuarantine(store, userId) ||
          inPendingImport(store, userId),
      )
      if (!known)
        throw new FatalError(
          `user ${JSON.stringify(userId)} was never seen in ${options.data} (or is erased already)`,
        )
      const by = await erase(options.data, userId as UserId)
      if (options.json) printJson({ user_id: userId, erased: true, applied_by: by })
      else
        print(
          `${userId} is erased (change files and copies outside ${options.data} still hold what was delivered)\n`,
        )
    })
}

/**
 * Labelling first: a crash in between leaves a user that `erase` still knows and can be asked for again. A running
 * `serve` applies the record, and never touches the labelling files, which are edited here beside it; a running
 * `prototypes label` holds their lock, and then nothing is erased and LockedError says so. The lock is kept to the end,
 * so that no labelling begins with a user who is about to be erased.
 */
async function erase(dir: string, userId: UserId): Promise<string> {
  const lock = existsSync(labellingDir(dir)) ? lockLabelling(dir, 'erase') : undefined
  try {
    eraseFromLabelling(labellingDir(dir), (user) => user === userId)
    const { by } = await submit({ dir, config: configOf(), role: 'erase' }, { kind: 'erase', userId })
    await forgetWebhooks(dir, userId)
    return by
  } finally {
    lock?.release()
  }
}

/** What waits to be sent, or was given up: a running `serve` hears of the erasure by itself, but none may be running. */
async function forgetWebhooks(dir: string, userId: UserId): Promise<void> {
  if (!hasWebhooks(dir)) return
  const { admin, close } = openWebhookAdmin({ dir, config: configOf(), changes: () => 0 })
  try {
    admin.forget(userId)
  } finally {
    await close()
  }
}

/** Whether they stand in an import that is not switched to yet, and nowhere else. */
function inPendingImport(store: StoreReader, userId: string): boolean {
  for (const label of store.pendingLabels()) if (label.userId === userId) return true
  return false
}

/** Whether a quarantined record is all that is known of the user. */
function inQuarantine(store: StoreReader, userId: string): boolean {
  for (const record of quarantined(store)) if (quarantinedMentionsUser(record, userId)) return true
  return false
}
