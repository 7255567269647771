// quarantine list|replay: records that could not be applied, with their bytes and cause, and another try for them.
import type { Command } from 'commander'
import type { ControlRecord } from '../core/event.ts'
import { UsageError } from '../errors.ts'
import { openReader, requireData } from '../profiler.ts'
import { requeueOf } from '../requeue.ts'
import type { QuarantinedRecord, StoreReader } from '../store/port.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { print, printJson, printLines } from './output.ts'
import { submit } from './submit.ts'

const pageRecords = 256
const shownBytes = 100

export function addQuarantine(program: Command): void {
  const quarantine = program.command('quarantine').description('records that could not be applied')
  withData(quarantine.command('list'))
    .description('list quarantined records with their cause (--json: with all their bytes)')
    .action(async (options: DataOptions) => {
      await reading(options, (store) => {
        if (options.json) printLines(lines(store))
        else for (const record of quarantined(store)) print(describe(record))
      })
    })
  withData(quarantine.command('replay'))
    .description(
      'try quarantined records again: those named, or all; what fails again stays, with its new cause',
    )
    .argument('[id...]', 'ids from `quarantine list`')
    .option('--all', 'every one', false)
    .action(replayAction)
}

async function replayAction(ids: string[], options: DataOptions & { all: boolean }): Promise<void> {
  requireData(options.data)
  if (options.all === ids.length > 0) throw new UsageError('name the ids to try again, or --all')
  if (!ids.every((id) => /^\d{1,15}$/.test(id)))
    throw new UsageError('ids are the numbers that `quarantine list` shows')
  const before = await reading(options, (store) => [...quarantined(store)].map(({ id }) => id))
  const wanted = options.all ? before : ids.map(Number)
  const unknown = wanted.filter((id) => !before.includes(id))
  if (unknown.length > 0) throw new UsageError(`not in quarantine: ${unknown.join(', ')}`)
  if (wanted.length > 0) {
    const config = configOf()
    const control = await requeueRecord(options, wanted)
    await submit({ dir: options.data, config, role: 'quarantine replay' }, control)
  }
  const left = new Set(await reading(options, (store) => [...quarantined(store)].map(({ id }) => id)))
  const released = wanted.filter((id) => !left.has(id)).length
  if (options.json) printJson({ tried: wanted.length, released, still_quarantined: left.size })
  else print(`${released} of ${wanted.length} are out of quarantine, ${left.size} stay\n`)
}

/** The control record; the store is open for as long as the registry is asked. */
async function requeueRecord({ data }: DataOptions, ids: readonly number[]): Promise<ControlRecord> {
  const config = configOf()
  const store = openReader({ dir: data, config })
  try {
    return await requeueOf(store, { ids, config })
  } finally {
    await store.close()
  }
}

/** All quarantined records, in pages. */
export function* quarantined(store: StoreReader): Generator<QuarantinedRecord> {
  for (let from = 0; ; ) {
    const page = store.quarantinedRecords(from, pageRecords)
    yield* page
    if (page.length < pageRecords) return
    from = page[page.length - 1]!.id + 1
  }
}

function* lines(store: StoreReader): Generator<object> {
  for (const { id, source, offset, cause, bytes } of quarantined(store))
    yield {
      id,
      source,
      position: offset,
      cause,
      text: Buffer.from(bytes).toString('utf8'),
      bytes_base64: Buffer.from(bytes).toString('base64'),
    }
}

function describe({ id, source, offset, cause, bytes }: QuarantinedRecord): string {
  const text = JSON.stringify(Buffer.from(bytes.subarray(0, shownBytes)).toString('utf8'))
  return `${id}  ${source} ${offset}: ${cause}\n   ${text}${bytes.length > shownBytes ? ` … (${bytes.length} bytes)` : ''}\n`
}
