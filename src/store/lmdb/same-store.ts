// Whether a store that is open for reading is still the one at its path. The file that was opened stays readable when a
// directory is removed, restored or migrated below a process: what it answers from then on is of the past.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, readMeta } from './environment.ts'
import { schemaVersion } from './layout.ts'

/** A check that says why it is another one, as of each call; undefined while it is the same. */
export function sameStore(environment: Environment, path: string): () => string | undefined {
  const file = join(path, 'data.mdb')
  const opened = identityOf(file)
  return () => {
    if (identityOf(file) !== opened) return `${path} was removed or replaced while it was read: start again`
    const schema = readMeta<number>(environment, 'schema')
    if (schema === schemaVersion) return undefined
    return `${path} was migrated to schema ${schema} while it was read: start the version that migrated it`
  }
}

/** What tells a file from all others while somebody has it open; undefined where there is none. */
function identityOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false })
  return found && `${found.dev}:${found.ino}`
}
