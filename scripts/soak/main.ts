// npm run soak -- [--seconds N] [--kill-every N] [--json]: ten minutes of lookups while ingest is killed every 15 s. Exits with
// 1 when one lookup was wrong or failed.
import { parseArgs } from 'node:util'
import { soak } from './soak.ts'

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      'kill-every': { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
    },
  })
  const seconds = Number(values.seconds)
  const killEverySeconds = Number(values['kill-every'])
  if (!(seconds > 0 && seconds <= 86_400 && killEverySeconds > 0)) {
    console.error('usage: npm run soak -- [--seconds N] [--kill-every N] [--json]')
    return 2
  }
  const result = await soak({ seconds, killEverySeconds, report: (line) => console.error(line) })
  if (values.json) console.log(JSON.stringify(result))
  else for (const [field, value] of Object.entries(result)) console.log(`${field.padEnd(16)} ${shown(value)}`)
  return result.wrong === 0 ? 0 : 1
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.join('\n') : String(value)
}

process.exitCode = await main()
