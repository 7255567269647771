// Opening the LMDB environment of the state: schema and settings are checked before anything is read.
import { randomBytes, randomUUID } from 'node:crypto'
import type { Database, RootDatabase } from 'lmdb'
import { FatalError, NoDataError } from '../../errors.ts'
import { closeLmdb, openLmdb, openNamed, openNumbered } from '../../lmdb/open.ts'
import { commitHere } from './commit.ts'
import { EditedTable } from './edited-table.ts'
import { editedTables, namedTables, schemaVersion, tableNames } from './layout.ts'
import { type Key, Table, type TableChanges } from './table.ts'

export type Settings = Readonly<Record<string, string | number>>
export type Environment = {
  readonly env: RootDatabase
  readonly named: Readonly<Record<(typeof namedTables)[number], Table<string>>>
  readonly tables: Readonly<Record<(typeof tableNames)[number], Table>>
  readonly edited: Readonly<Record<keyof typeof editedTables, EditedTable>>
  /** Every table: the ones above, and those that the edited ones stand on. */
  readonly all: readonly Table<Key>[]
}

export type EnvironmentOptions = {
  readonly path: string
  readonly settings: Settings
  readonly mapSizeBytes: number
  readonly readOnly?: boolean
  /**
   * Read only, in a process that writes the same environment from another thread, now or later: LMDB has one environment a
   * process, which is as it was first opened.
   */
  readonly besideWriter?: boolean
}

/** Opens the state's environment: a new one is given the schema and settings, another must have the same ones. */
export function openEnvironment(options: EnvironmentOptions): Environment {
  const { readOnly = false, besideWriter = false } = options
  const env = openLmdb({ ...options, readOnly: readOnly && !besideWriter })
  try {
    return environmentIn(env, options)
  } catch (error) {
    void closeLmdb(env)
    throw error
  }
}

function environmentIn(env: RootDatabase, options: EnvironmentOptions): Environment {
  const { readOnly = false } = options
  const made = schemaIn(env)
  if (made !== undefined || readOnly) checkSchema(made, options.path) // before a table is opened
  const all: Table<Key>[] = []
  const opened = <K extends Key>(name: string, db: Database<Buffer, K>): Table<K> => {
    const table = new Table(name, db)
    all.push(table as unknown as Table<Key>)
    return table
  }
  const named = Object.fromEntries(
    namedTables.map((name) => [name, opened(name, openNamed(env, name))]),
  ) as Environment['named']
  const tables = Object.fromEntries(
    tableNames.map((name) => [name, opened(name, openNumbered(env, name))]),
  ) as Environment['tables']
  const edited = Object.fromEntries(
    Object.entries(editedTables).map(([name, keptBytesMax]) => [
      name,
      new EditedTable(opened(name, openNumbered(env, name)), keptBytesMax),
    ]),
  ) as Environment['edited']
  const environment = { env, named, tables, edited, all }
  if (made === undefined) initialise(environment, options)
  else checkSettings(environment, options)
  return environment
}

/** The schema of what is there; undefined for what is no store of Kindred, or not made yet. */
export function schemaIn(env: RootDatabase): number | undefined {
  // opened for reading, a table that nobody made is undefined
  const bytes = (openNamed(env, 'meta') as Database<Buffer, string> | undefined)?.get('schema')
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString('utf8')) as number)
}

/** What the running transaction changed in all tables; it ends, and is under way until `landed`. */
export function sealed({ all, edited }: Environment): TableChanges[] {
  for (const table of Object.values(edited)) table.flush()
  return all.map((table) => table.seal()).filter((changes) => changes !== undefined)
}

/** The oldest transaction under way is committed: reads see it in LMDB from now on. */
export function landed({ env, all }: Environment): void {
  env.resetReadTxn()
  for (const table of all) table.landed()
}

/** Forgets what the running transaction changed. */
export function abandoned({ all, edited }: Environment): void {
  for (const table of Object.values(edited)) table.abandon()
  for (const table of all) table.abandon()
}

export function readMeta<T>({ named }: Environment, name: string): T | undefined {
  const bytes = named.meta.get(name)
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString('utf8')) as T)
}

export function writeMeta({ named }: Environment, name: string, value: unknown): void {
  named.meta.put(name, Buffer.from(JSON.stringify(value)))
}

function initialise(environment: Environment, { settings, path }: EnvironmentOptions): void {
  writeMeta(environment, 'schema', schemaVersion)
  writeMeta(environment, 'settings', settings)
  writeMeta(environment, 'store_id', randomUUID())
  writeMeta(environment, 'erasure_key', randomBytes(32).toString('hex'))
  commitHere(environment.env, path).commit(sealed(environment))
  landed(environment)
}

function checkSettings(environment: Environment, { path, settings }: EnvironmentOptions): void {
  const stored = readMeta<Settings>(environment, 'settings') ?? {}
  for (const [name, value] of Object.entries(settings))
    if (stored[name] !== value)
      throw new FatalError(
        `${path} was made with ${name} ${stored[name]}, and is now asked for ${value}: answers depend on it; set it back, or replay into a new directory`,
      )
}

/** Throws FatalError for a schema that this version of Kindred does not know, saying what to do. */
export function checkSchema(schema: number | undefined, path: string): void {
  if (schema === schemaVersion) return
  if (schema === undefined)
    throw new NoDataError(`${path} is not a data directory of Kindred; name another with --data`)
  throw new FatalError(
    schema < schemaVersion
      ? `${path} has schema ${schema}, this version reads ${schemaVersion}: run \`kindred backup\` with the version that wrote it, then \`kindred migrate --data …\``
      : `${path} has schema ${schema}, written by a newer Kindred; this version reads ${schemaVersion}: update Kindred`,
  )
}
