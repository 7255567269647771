// sinks list|drop: who takes change events, how far each has come, and letting one go that takes none any more.
import type { Command } from 'commander'
import { UsageError } from '../errors.ts'
import { requireData } from '../profiler.ts'
import type { StoreReader } from '../store/port.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { grouped, print, printJson, printLines } from './output.ts'
import { submit } from './submit.ts'

export function addSinks(program: Command): void {
  const sinks = program
    .command('sinks')
    .description('who change events are kept for until they are delivered')
  withData(sinks.command('list'))
    .description('list the sinks: the number of the change event that each takes next, and how many it lacks')
    .action(async (options: DataOptions) => {
      await reading(options, (store) => {
        const all = [...sinksOf(store)]
        if (options.json) return printLines(all)
        if (all.length === 0) print('no sink has taken change events yet\n')
        for (const { name, next, undelivered } of all)
          print(`${name}  next change ${grouped(next)}, ${grouped(undelivered)} undelivered\n`)
      })
    })
  withData(sinks.command('drop'))
    .description(
      'let a sink go: what it has not taken is kept for it no longer (one that is being written comes back by itself)',
    )
    .argument('<name>', 'its whole name, as `sinks list` shows it')
    .action(dropAction)
}

async function dropAction(name: string, options: DataOptions): Promise<void> {
  requireData(options.data)
  const sink = await reading(options, (store) => [...sinksOf(store)].find((one) => one.name === name))
  if (sink === undefined)
    throw new UsageError(
      `no sink of ${options.data} is named ${JSON.stringify(name)}: \`kindred sinks list --data ${options.data}\` shows their names`,
    )
  const place = { dir: options.data, config: configOf(), role: 'sinks drop' }
  const { by } = await submit(place, { kind: 'drop_sink', name })
  const { undelivered } = sink
  if (options.json) printJson({ name, dropped: true, undelivered, applied_by: by })
  else print(`${name} is dropped; it had not taken ${grouped(undelivered)} change events\n`)
}

/** `next`: number of the change event that the sink takes next; `undelivered`: those kept from there on (or erased since). */
export type SinkState = { readonly name: string; readonly next: number; readonly undelivered: number }

export function* sinksOf(store: StoreReader): Generator<SinkState> {
  const { changes, quarantineIds } = store.counters()
  for (const { name, next, feed } of store.sinkCursors()) {
    const quarantine = feed === 'quarantine'
    const end = quarantine ? quarantineIds : changes
    const first = quarantine ? next : (store.changes(next, 1)[0]?.number ?? end)
    yield { name, next, undelivered: end - first }
  }
}
