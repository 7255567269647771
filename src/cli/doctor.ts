// doctor: the health of an installation; warns before something is full.
import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { messageOf } from '../errors.ts'
import { openLog, openReader, requireData } from '../profiler.ts'
import { holderOf, tryWriterLock } from '../store/lock.ts'
import { configOf, type DataOptions, withData } from './context.ts'
import { grouped, percent, print, printJson } from './output.ts'
import { type SinkState, sinksOf } from './sinks.ts'

type Check = { readonly name: string; readonly status: 'ok' | 'warn' | 'fail'; readonly detail: string }

/** Share of the map or the disk from which doctor warns. */
const fullShare = 0.8

export function addDoctor(program: Command): void {
  withData(program.command('doctor'))
    .description('check the health of an installation')
    .action(async (options: DataOptions) => {
      const checks = await examine(options.data)
      if (options.json) printJson({ checks })
      else for (const { name, status, detail } of checks) print(`${status.padEnd(4)}  ${name}: ${detail}\n`)
      if (checks.some(({ status }) => status === 'fail')) process.exitCode = 1
    })
}

export async function examine(dir: string): Promise<Check[]> {
  const checks: Check[] = [nodeCheck()]
  try {
    requireData(dir)
    checks.push(diskCheck(dir), ...(await dataChecks(dir)), writerCheck(dir))
  } catch (error) {
    checks.push({ name: 'data', status: 'fail', detail: messageOf(error) })
  }
  return checks
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const old = major < 20 || (major === 20 && minor < 19)
  return {
    name: 'node',
    status: old ? 'fail' : 'ok',
    detail: `${process.versions.node}${old ? ': Kindred needs 20.19 or later' : ''}`,
  }
}

function diskCheck(dir: string): Check {
  const { blocks, bavail, bsize } = statfsSync(dir)
  const used = blocks === 0 ? 0 : 1 - bavail / blocks
  const detail = `${percent(used, 0)} used, ${grouped((bavail * bsize) / 2 ** 20)} MiB free`
  return used >= fullShare
    ? { name: 'disk', status: 'warn', detail: `${detail}: make room` }
    : { name: 'disk', status: 'ok', detail }
}

async function dataChecks(dir: string): Promise<Check[]> {
  const config = configOf()
  const store = openReader({ dir, config })
  const log = openLog({ dir, config })
  try {
    const counters = store.counters()
    const backlog = log.end - store.watermark(log.name)
    const pending = store.pendingImport()
    return [
      {
        name: 'data',
        status: 'ok',
        detail: `${grouped(counters.users)} users, ${grouped(counters.products)} products, ${grouped(counters.edges)} edges`,
      },
      mapCheck('state', store.mapUse(), dir),
      mapCheck('log', log.mapUse(), dir),
      {
        name: 'backlog',
        status: backlog >= config.logBacklogMax * fullShare ? 'warn' : 'ok',
        detail: `${grouped(backlog)} of ${grouped(config.logBacklogMax)} records wait`,
      },
      {
        name: 'quarantine',
        status: counters.quarantined > 0 ? 'warn' : 'ok',
        detail:
          counters.quarantined > 0
            ? `${grouped(counters.quarantined)} records: \`kindred quarantine list\``
            : 'empty',
      },
      sinksCheck([...sinksOf(store)], config.changesRetention),
      counters.version === 0
        ? {
            name: 'prototypes',
            status: 'warn',
            detail: 'none: nobody can be inferred until `kindred prototypes import`',
          }
        : {
            name: 'prototypes',
            status: 'ok',
            detail: `version ${counters.version}${pending === undefined ? '' : `, version ${pending.version.version} is being built`}`,
          },
    ]
  } finally {
    await log.close()
    await store.close()
  }
}

/** A sink that lacks more than would be kept without it holds the rest back from being dropped. */
function sinksCheck(sinks: readonly SinkState[], retention: number): Check {
  const behind = sinks.filter(({ undelivered }) => undelivered > retention)
  if (behind.length === 0)
    return {
      name: 'sinks',
      status: 'ok',
      detail: sinks.length === 0 ? 'none' : `${sinks.length}, none far behind`,
    }
  const each = behind.map(
    ({ name, undelivered }) => `${JSON.stringify(name)} has not taken ${grouped(undelivered)} change events`,
  )
  return {
    name: 'sinks',
    status: 'warn',
    detail: `${each.join(', ')}, which are kept for it beyond the ${grouped(retention)} of KINDRED_CHANGES_RETENTION: write it again with --changes, or let it go with \`kindred sinks drop NAME\``,
  }
}

function mapCheck(name: string, { used, size }: { used: number; size: number }, dir: string): Check {
  const share = used / size
  const detail = `${percent(share, 1)} of the ${grouped(size / 2 ** 20)} MiB map of ${join(dir, name)}`
  return {
    name: `${name} map`,
    status: share >= fullShare ? 'warn' : 'ok',
    detail: share >= fullShare ? `${detail}: raise KINDRED_MAP_SIZE_GB` : detail,
  }
}

function writerCheck(dir: string): Check {
  const lock = tryWriterLock(dir, 'doctor')
  if (lock === undefined) return { name: 'writer', status: 'ok', detail: holderOf(dir) }
  lock.release()
  return { name: 'writer', status: 'ok', detail: 'none running' }
}
