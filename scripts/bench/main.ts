// npm run bench -- NAME [--json] [--tiny]: one measurement, as a table or as one JSON document on stdout.
import { ingestBench } from './ingest.ts'
import { kafkaBench } from './kafka.ts'
import { lookupBench } from './lookup.ts'
import type { Bench } from './shared.ts'
import { walkBench } from './walk.ts'
import { webhookBench } from './webhook.ts'

const benches: Readonly<Record<string, Bench>> = {
  ingest: ingestBench,
  walk: walkBench,
  kafka: kafkaBench,
  lookup: lookupBench,
  webhook: webhookBench,
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...flags] = args
  const bench = name === undefined ? undefined : benches[name]
  const wrong = flags.filter((flag) => flag !== '--json' && flag !== '--tiny')
  if (bench === undefined || wrong.length > 0) {
    console.error(`usage: npm run bench -- ${Object.keys(benches).join('|')} [--json] [--tiny]`)
    return 2
  }
  const report = (line: string) => console.error(line)
  const result = await bench({ tiny: flags.includes('--tiny'), report })
  if (flags.includes('--json')) console.log(JSON.stringify(result))
  else for (const [field, value] of Object.entries(result)) console.log(`${field.padEnd(26)} ${shown(value)}`)
  return 0
}

function shown(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

process.exitCode = await main(process.argv.slice(2))
