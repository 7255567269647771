// A log in memory: what the consumer needs of one, and nothing else.
import type { ConsumedLog } from '../../src/pipeline/consume.ts'
import type { SourceRecord } from '../../src/source/port.ts'
import { type Bytes, batchOf, controlBytes, logName, recordAt } from './engine-records.ts'

export type MemoryLog = ConsumedLog & {
  append(bytes: Bytes): void
  /** Everything appended; what was scrubbed is empty. */
  readonly records: readonly SourceRecord[]
}

export function memoryLog(): MemoryLog {
  const records: SourceRecord[] = []
  let switchesUpTo = 0
  const append = (bytes: Bytes) => {
    records.push(recordAt(records.length, bytes))
  }
  return {
    name: logName,
    records,
    append,
    /** As the embedded log: once a version, restarts or not. */
    appendSwitch(version) {
      if (version > switchesUpTo) append(controlBytes({ kind: 'switch', version }))
      switchesUpTo = Math.max(switchesUpTo, version)
    },
    read: (from, recordsMax) =>
      from < records.length ? batchOf(records, from, from + recordsMax) : undefined,
    wait: async () => {},
    trim: () => {},
    scrub(before, erase) {
      let count = 0
      for (let offset = 0; offset < before; offset++) {
        if (records[offset]!.format.kind === 'erased' || !erase(records[offset]!)) continue
        records[offset] = recordAt(offset, { text: '', format: { kind: 'erased' } })
        count++
      }
      return count
    },
    flushed: async () => {},
  }
}
