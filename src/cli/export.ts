// export users|products|graph: everything of one snapshot, exact, as NDJSON; the graph as GEXF too.
import { Argument, type Command, Option } from 'commander'
import { exportEdges, exportGexf, exportProducts, exportUsers } from '../lookup/export.ts'
import { type DataOptions, reading, withData } from './context.ts'
import { print, printLines } from './output.ts'

export function addExport(program: Command): void {
  withData(program.command('export'))
    .description('write users, products or the graph to stdout (NDJSON; the graph also as GEXF)')
    .addArgument(new Argument('<what>', 'what to export').choices(['users', 'products', 'graph']))
    .addOption(new Option('--format <format>', 'of the graph').choices(['ndjson', 'gexf']).default('ndjson'))
    .action(async (what: 'users' | 'products' | 'graph', options: DataOptions & { format: string }) => {
      await reading(options, (_store, snapshot) => {
        if (what === 'users') printLines(exportUsers(snapshot))
        else if (what === 'products') printLines(exportProducts(snapshot))
        else if (options.format === 'gexf') print(exportGexf(snapshot))
        else printLines(exportEdges(snapshot))
      })
    })
}
