// By the configuration: how values of topics are read, and the registry of their schemas.
import { existsSync, readFileSync } from 'node:fs'
import { createValueCodec, parseMappings, type ValueCodec } from './codec/kafka-value.ts'
import type { Config } from './config.ts'
import { messageOf, UsageError } from './errors.ts'
import { SchemaRegistry } from './kafka/registry.ts'

/** Throws UsageError for settings that contradict each other, and files that cannot be read. */
export function valueCodecOf(config: Config): ValueCodec {
  const { kafkaValue: value, kafkaRegistry, kafkaSchemaFile, kafkaMapping } = config
  if (value === 'avro' && kafkaSchemaFile === '')
    throw new UsageError('KINDRED_KAFKA_VALUE=avro needs the schema of the values: KINDRED_KAFKA_SCHEMA_FILE')
  if (value === 'confluent' && kafkaRegistry === '')
    throw new UsageError('KINDRED_KAFKA_VALUE=confluent needs a registry: KINDRED_KAFKA_REGISTRY')
  return createValueCodec({
    value,
    registry: kafkaRegistry === '' ? undefined : kafkaRegistry,
    localSchema: kafkaSchemaFile === '' ? undefined : fileOf(kafkaSchemaFile, 'KINDRED_KAFKA_SCHEMA_FILE'),
    mappings: kafkaMapping === '' ? new Map() : parseMappings(mappingText(kafkaMapping)),
  })
}

/** The mapping itself, or the file that has it. */
function mappingText(text: string): string {
  return text.endsWith('.json') && existsSync(text) ? fileOf(text, 'KINDRED_KAFKA_MAPPING') : text
}

function fileOf(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${variable}: ${messageOf(error)}`)
  }
}

export function registryOf(config: Config): SchemaRegistry | undefined {
  if (config.kafkaRegistry === '') return undefined
  return new SchemaRegistry({
    url: config.kafkaRegistry,
    ...(config.kafkaRegistryUser === ''
      ? {}
      : { user: config.kafkaRegistryUser, password: config.kafkaRegistryPassword }),
  })
}
