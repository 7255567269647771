// Trying quarantined records again: the control record, with the writer schemas that they lacked, as the registry has them now.
import type { Config } from './config.ts'
import type { ControlRecord } from './core/event.ts'
import type { StoreReader } from './store/port.ts'
import { registryOf, valueCodecOf } from './value-codec.ts'

/** The record for these ids. What the registry answers goes into the log with it, which so replays alike anywhere. */
export async function requeueOf(
  store: StoreReader,
  { ids, config }: { ids: readonly number[]; config: Config },
): Promise<ControlRecord> {
  const schemas = await askedOf(config, lackingSchemas(store, ids, config))
  return {
    kind: 'requeue',
    quarantineIds: ids,
    ...(schemas.size === 0 ? {} : { schemas: Object.fromEntries(schemas) }),
  }
}

/** Writer schemas, by key with their id, that these records need and the store lacks. */
function lackingSchemas(store: StoreReader, ids: readonly number[], config: Config): Map<string, number> {
  const values = valueCodecOf(config)
  const lacking = new Map<string, number>()
  for (const id of ids) {
    const record = store.quarantinedRecord(id)
    const wanted = record?.envelope === undefined ? undefined : values.schemaKeyOf(record.bytes)
    if (wanted !== undefined && store.schema(wanted.key) === undefined) lacking.set(wanted.key, wanted.id)
  }
  return lacking
}

async function askedOf(config: Config, lacking: ReadonlyMap<string, number>): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  if (lacking.size === 0) return found
  const registry = registryOf(config)!
  for (const [key, id] of lacking) {
    const schema = await registry.schemaById(id)
    if (schema !== undefined) found.set(key, schema)
  }
  return found
}
