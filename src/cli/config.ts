// config: the effective configuration, and what every setting is.
import type { Command } from 'commander'
import { secretSettings, semanticSettings, settings, variableOf } from '../config.ts'
import { configOf } from './context.ts'
import { print, printLines, table } from './output.ts'

export function addConfig(program: Command): void {
  program
    .command('config')
    .description('show every setting: its environment variable, its value, and what it is for')
    .option('--json', 'machine-readable: NDJSON on stdout', false)
    .action((options: { json: boolean }) => {
      const config = configOf()
      const lines = Object.entries(settings).map(([name, setting]) => ({
        setting: name,
        variable: variableOf(name),
        value: shown(name, config[name as keyof typeof config]),
        description: (setting.description ?? '').replace(/ \*$/, ''),
        fixed_with_the_data: (semanticSettings as readonly string[]).includes(name),
      }))
      if (options.json) return printLines(lines)
      const rows = lines.map((line) => [
        line.variable,
        String(line.value),
        `${line.description}${line.fixed_with_the_data ? ' *' : ''}`,
      ])
      print(`${table(rows)}\n\n* fixed when a data directory is made: answers depend on it\n`)
    })
}

/** A secret is never shown: only whether there is one. Nor are the user and password that a URL may have. */
function shown(name: string, value: unknown): unknown {
  if (secretSettings.includes(name)) return value === '' ? value : '(set)'
  return typeof value === 'string' ? value.replaceAll(/(:\/\/)[^/?#]*@/g, '$1(set)@') : value
}
