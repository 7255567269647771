// The real data for truth experiments: replayed into a store once, read as a labelled graph.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { labelsOfSet } from '../../src/cli/evaluate.ts'
import { readImport } from '../../src/cli/read-import.ts'
import { configFrom } from '../../src/config.ts'
import type { LabelledGraph } from '../../src/core/labelled.ts'
import { readLabelled } from '../../src/pipeline/labelled.ts'
import { openReader } from '../../src/profiler.ts'

export async function onlineRetail(_dir: string): Promise<LabelledGraph> {
  const store = openReader({ dir: process.env.STORE!, config: configFrom({}) })
  try {
    const set = readImport(join(process.env.KINDRED_DATA!, 'online-retail-personas.ndjson.gz'), undefined)
    return readLabelled(store, {
      labels: labelsOfSet(set, store),
      personas: set.personas.map(({ name }) => name),
      repeat: 'once',
    })
  } finally {
    await store.close()
  }
}
void existsSync
