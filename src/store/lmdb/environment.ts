// Opening the LMDB environment of the state: schema and settings are checked before anything is read.
import { randomBytes } from 'node:crypto'
import type { Database, RootDatabase } from 'lmdb'
import { FatalError } from '../../errors.ts'
import { openLmdb, openNamed, openNumbered } from '../../lmdb/open.ts'
import { EditedTable } from './edited-table.ts'
import { editedTables, namedTables, schemaVersion, tableNames } from './layout.ts'
import { Table } from './table.ts'

export type Settings = Readonly<Record<string, string | number>>
export type Environment = {
  readonly env: RootDatabase
  readonly named: Readonly<Record<(typeof namedTables)[number], Database<Buffer, string>>>
  readonly tables: Readonly<Record<(typeof tableNames)[number], Table>>
  readonly edited: Readonly<Record<keyof typeof editedTables, EditedTable>>
}

export type EnvironmentOptions = {
  readonly path: string
  readonly settings: Settings
  readonly mapSizeBytes: number
  readonly readOnly?: boolean
}

/** Opens the state's environment: a new one is given the schema and settings, another must have the same ones. */
export function openEnvironment(options: EnvironmentOptions): Environment {
  const env = openLmdb(options)
  const named = Object.fromEntries(
    namedTables.map((name) => [name, openNamed(env, name)]),
  ) as Environment['named']
  const tables = Object.fromEntries(
    tableNames.map((name) => [name, new Table(openNumbered(env, name))]),
  ) as Environment['tables']
  const edited = Object.fromEntries(
    Object.entries(editedTables).map(([name, keptBytesMax]) => [
      name,
      new EditedTable(openNumbered(env, name), keptBytesMax),
    ]),
  ) as Environment['edited']
  const environment = { env, named, tables, edited }
  if (named.meta === undefined) checkSchema(undefined, options.path) // a reader of what nobody has made yet
  const schema = readMeta<number>(environment, 'schema')
  if (schema === undefined && options.readOnly !== true) initialise(environment, options.settings)
  else checkMeta(environment, options)
  return environment
}

export function readMeta<T>({ named }: Environment, name: string): T | undefined {
  const bytes = named.meta.get(name)
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString('utf8')) as T)
}

export function writeMeta({ named }: Environment, name: string, value: unknown): void {
  named.meta.put(name, Buffer.from(JSON.stringify(value)))
}

function initialise(environment: Environment, settings: Settings): void {
  environment.env.transactionSync(() => {
    writeMeta(environment, 'schema', schemaVersion)
    writeMeta(environment, 'settings', settings)
    writeMeta(environment, 'erasure_key', randomBytes(32).toString('hex'))
  })
}

function checkMeta(environment: Environment, { path, settings }: EnvironmentOptions): void {
  checkSchema(readMeta<number>(environment, 'schema'), path)
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
    throw new FatalError(`${path} is not a data directory of Kindred; name another with --data`)
  throw new FatalError(
    schema < schemaVersion
      ? `${path} has schema ${schema}, this version reads ${schemaVersion}: run \`kindred backup\` with the version that wrote it, then \`kindred migrate --data …\``
      : `${path} has schema ${schema}, written by a newer Kindred; this version reads ${schemaVersion}: update Kindred`,
  )
}
