// migrate: data of an older schema to this version's, in place, under the writer's lock.
import { join } from 'node:path'
import type { Command } from 'commander'
import { requireData } from '../profiler.ts'
import { migrate } from '../store/lmdb/migrations.ts'
import { takeWriterLock } from '../store/lock.ts'
import { configOf, type DataOptions, withData } from './context.ts'
import { print, printJson } from './output.ts'

export function addMigrate(program: Command): void {
  withData(program.command('migrate'))
    .description('bring the data of an older Kindred to this version (make a backup first)')
    .action(async (options: DataOptions) => {
      requireData(options.data)
      const lock = takeWriterLock(options.data, 'migrate')
      try {
        const { from, to } = await migrate({
          path: join(options.data, 'state'),
          mapSizeBytes: configOf().mapSizeGb * 2 ** 30,
        })
        if (options.json) printJson({ from, to, migrated: from !== to })
        else
          print(
            from === to ? `schema ${to}: nothing to migrate\n` : `migrated from schema ${from} to ${to}\n`,
          )
      } finally {
        lock.release()
      }
    })
}
