// Schema 2 to 3: tables for writer schemas and for erasures that sinks are told of; the store gets an id of its own.
import { randomUUID } from 'node:crypto'
import type { RootDatabase } from 'lmdb'
import { openNamed, openNumbered } from '../../lmdb/open.ts'

export function migrate2(env: RootDatabase): void {
  openNamed(env, 'schemas')
  openNumbered(env, 'erasures')
  openNamed(env, 'meta').put('store_id', Buffer.from(JSON.stringify(randomUUID())))
}
