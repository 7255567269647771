// npm run kafka-local [-- --port N --dir D]: a real Kafka on the loopback until Ctrl-C; one line on stdout names its brokers.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { kafkaProblem, startKafka } from './kafka.ts'

const usage =
  'usage: npm run kafka-local -- [--port 9092] [--dir DIRECTORY, else one that is removed at the end]'

async function main(args: string[]): Promise<number> {
  const { port, dir } = optionsOf(args)
  if (port === undefined) {
    console.error(usage)
    return 2
  }
  const problem = kafkaProblem()
  if (problem !== undefined) {
    console.error(`a local Apache Kafka ${problem}`)
    return 1
  }
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  const ownDir = dir === undefined ? mkdtempSync(join(tmpdir(), 'kafka-local-')) : undefined
  try {
    await using kafka = await startKafka({ dir: dir ?? ownDir!, port })
    console.log(kafka.brokers.join(','))
    await signalled
  } finally {
    if (ownDir !== undefined) rmSync(ownDir, { recursive: true, force: true })
  }
  return 0
}

/** Without a port if they are wrong. */
function optionsOf(args: string[]): { port?: number; dir?: string | undefined } {
  try {
    const { values } = parseArgs({ args, options: { port: { type: 'string' }, dir: { type: 'string' } } })
    const port = Number(values.port ?? 9092)
    return Number.isInteger(port) && port > 0 && port < 65_536 ? { port, dir: values.dir } : {}
  } catch {
    return {}
  }
}

process.exitCode = await main(process.argv.slice(2))
