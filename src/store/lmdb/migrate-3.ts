// Schema 3 to 4: tables for epochs, content fits and what is noted of labels. The first fit is made with the next event.
import type { RootDatabase } from 'lmdb'
import { openNamed, openNumbered } from '../../lmdb/open.ts'
import type { Settings } from './environment.ts'

/** Settings that came with this schema, as they were by default then. */
const settingsAdded: Settings = {
  calibrationMin: 50,
  enterProbability: 0,
  exitRatio: 0.8,
  sweepUsers: 4,
  contentHead: 'auto',
}

export function migrate3(env: RootDatabase): void {
  for (const name of ['label_notes', 'held_out', 'epochs', 'content_fits']) openNumbered(env, name)
  const meta = openNamed(env, 'meta')
  const settings = JSON.parse(meta.get('settings')?.toString('utf8') ?? '{}') as Settings
  meta.put('settings', Buffer.from(JSON.stringify({ ...settingsAdded, ...settings })))
}
