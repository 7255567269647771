// prototypes import|list: labelled users in, before, during or after the events.
import type { Command } from 'commander'
import { importOf, type LabelLine, labelLineOf } from '../codec/prototypes.ts'
import { activeVersionOf, labelsOf } from '../lookup/snapshot.ts'
import type { StoreReader } from '../store/port.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { print, printJson, printLines } from './output.ts'
import { addPrototypesLabel } from './prototypes-label.ts'
import { addPrototypesSample } from './prototypes-sample.ts'
import { readImport } from './read-import.ts'
import { submit } from './submit.ts'

export function addPrototypes(program: Command): void {
  const prototypes = program.command('prototypes').description('the labelled users that personas spread from')
  withData(prototypes.command('import'))
    .description(
      'make the users of a file the prototypes: a new version, built beside the running one and switched to',
    )
    .argument('<file>', 'NDJSON {user_id, personas: [name…] | {name: probability}}')
    .option('--personas <file>', 'JSON persona set {version, personas: [{name, description}]}')
    .option('--add', 'keep the prototypes there are; the file adds to them or changes them', false)
    .action(importAction)
  addPrototypesSample(prototypes)
  addPrototypesLabel(prototypes)
  withData(prototypes.command('list'))
    .description('list the prototypes of the active version, in the format of import')
    .action(async (options: DataOptions) => {
      await reading(options, (store) => printLines(labelLines(store)))
    })
}

type ImportOptions = DataOptions & { personas?: string; add: boolean }

async function importAction(file: string, options: ImportOptions): Promise<void> {
  const place = { dir: options.data, config: configOf(), role: 'prototypes import' }
  const given = readImport(file, options.personas)
  const set = options.add ? await reading(options, (store) => merged(store, given)) : given
  const { by } = await submit(place, { kind: 'import', set }, (store) => {
    const pending = store.pendingImport()
    return pending === undefined || pending.version.hash !== set.hash
  })
  const version = await reading(options, (store) => store.counters().version)
  const heldOut = set.prototypes.filter(({ note }) => note?.heldOut === true).length
  const prototypes = set.prototypes.length - heldOut
  if (options.json)
    printJson({ version, prototypes, held_out: heldOut, personas: set.personas.length, applied_by: by })
  else
    print(
      `version ${version}: ${prototypes} prototypes, ${heldOut} held out to measure by, ${set.personas.length} personas\n`,
    )
}

/** The active version's labels with the given ones over them. */
function merged(store: StoreReader, given: ReturnType<typeof readImport>): ReturnType<typeof readImport> {
  const { personas } = activeVersionOf(store)
  const lines = new Map<string, LabelLine>(labelLines(store).map((line) => [line.user_id, line]))
  for (const label of given.prototypes) lines.set(label.userId, labelLineOf(label, given.personas))
  const known = new Set(personas.map(({ name }) => name))
  return importOf(
    [...lines.values()],
    [...personas, ...given.personas.filter(({ name }) => !known.has(name))],
  )
}

/** Prototypes, then held-out users, as an import has them. */
function labelLines(store: StoreReader): LabelLine[] {
  const { version, personas } = activeVersionOf(store)
  const prototypes = [...labelsOf(store)].map(([userIndex, shares]) => ({
    userIndex,
    shares,
    note: store.labelNote(version, userIndex),
  }))
  return [...prototypes, ...store.heldOut(version)].map(({ userIndex, shares, note }) =>
    labelLineOf({ userId: store.user(userIndex)!.userId, shares, note }, personas),
  )
}
