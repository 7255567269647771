// Appends the events of a file to the log of a data directory, as fast as the process that ingests it takes them.
import { setTimeout as sleep } from 'node:timers/promises'
import { configFrom } from '../../../src/config.ts'
import { openLog, openReader } from '../../../src/profiler.ts'
import { readAhead } from '../../../src/source/read-ahead.ts'

/** Records that may wait to be applied, and how often it is looked whether they do: enough for a few batches. */
const aheadRecordsMax = 32_768
const pollMs = 5

const [dir, path] = process.argv.slice(2) as [string, string]
const place = { dir, config: configFrom({}) }
const log = openLog(place)
const store = openReader(place)
for await (const { blocks } of readAhead({ path, source: `file:${path}`, fromLine: 0 })) {
  log.appendEncoded(blocks)
  while (log.end - store.watermark(log.name) >= aheadRecordsMax) await sleep(pollMs)
}
