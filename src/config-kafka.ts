// The part of the configuration that is about Kafka.
import { z } from 'zod'

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const text = () => z.string().trim().default('')
const flag = z.enum(['true', 'false', '1', '0']).default('false')

export const kafkaSettings = {
  kafkaBrokers: text().describe('brokers, host:port separated by commas; empty: no Kafka'),
  kafkaTopics: text().describe(
    'topics to consume: names separated by commas, or one /pattern/; empty: none, only change events go to Kafka',
  ),
  kafkaGroup: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .default('kindred')
    .describe('consumer group; also names transactions and the register of what was emitted'),
  kafkaFrom: z
    .string()
    .trim()
    .default('earliest')
    .refine(
      (value) => value === 'earliest' || value === 'latest' || !Number.isNaN(Date.parse(value)),
      'is earliest, latest or a time such as 2025-01-31T00:00:00Z',
    )
    .describe('where a topic that is new to the data directory is read from: earliest, latest or a time'),
  kafkaOffsetReset: z
    .enum(['fail', 'earliest'])
    .default('fail')
    .describe('what to do when the next records are no longer in the topic'),
  kafkaClaim: flag.describe(
    'true: take the group over from another data directory, or go on with an older copy of this one (change events may then repeat or be lacking)',
  ),
  kafkaValue: z
    .enum(['auto', 'json', 'confluent', 'avro'])
    .default('auto')
    .describe(
      'values: JSON, Avro in Confluent wire format, Avro by the schema of KINDRED_KAFKA_SCHEMA_FILE, or auto: JSON or Confluent, by each record',
    ),
  kafkaMapping: text().describe(
    'where the fields of an event stand: `user_id: customer.id, type: =purchase, …`, or JSON, by topic if need be',
  ),
  kafkaSchemaFile: text().describe('Avro schema (.avsc) of values without a registry'),
  kafkaRegistry: text().describe('URL of a Confluent-compatible schema registry; empty: none'),
  kafkaRegistryUser: text().describe('user of the schema registry'),
  kafkaRegistryPassword: text().describe('password of the schema registry'),
  kafkaChangesTopic: z
    .string()
    .trim()
    .default('persona-changes')
    .describe('topic of persona-change events; empty: none are sent'),
  kafkaPersonasTopic: z
    .string()
    .trim()
    .default('personas')
    .describe('compacted topic of current answers; empty: none are sent'),
  kafkaDeadLetterSuffix: z
    .string()
    .trim()
    .default('.dlq')
    .describe('dead letters go to the topic of this suffix; empty: they stay in quarantine alone'),
  kafkaDelivery: z
    .enum(['exactly_once', 'at_least_once'])
    .default('exactly_once')
    .describe('transactions, or none for clusters that forbid them: then change events may repeat'),
  kafkaCompression: z
    .enum(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    .default('none')
    .describe('compression of what is sent'),
  kafkaTls: flag.describe('true: TLS'),
  kafkaTlsCa: text().describe('file of the certificate authority, PEM; empty: the system’s'),
  kafkaTlsCert: text().describe('file of the client certificate, PEM'),
  kafkaTlsKey: text().describe('file of the client key, PEM'),
  kafkaSasl: z
    .enum(['none', 'plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'])
    .default('none')
    .describe('SASL mechanism'),
  kafkaUser: text().describe('SASL user'),
  kafkaPassword: text().describe('SASL password'),
  kafkaOauthUrl: text().describe('token endpoint for oauthbearer (client credentials)'),
  kafkaOauthClient: text().describe('client id for oauthbearer'),
  kafkaOauthSecret: text().describe('client secret for oauthbearer'),
  kafkaOauthScope: text().describe('scope for oauthbearer'),
  kafkaSessionMs: whole(1000, 600_000)
    .default(10_000)
    .describe('session timeout: how long the group waits for a process that died, ms'),
  kafkaRefreshMs: whole(100, 600_000)
    .default(30_000)
    .describe('how often topics are looked for that a pattern fits, and partitions that were added, ms'),
  kafkaQueueMb: whole(1, 10_000).default(32).describe('fetched records that wait to be applied, MB'),
} as const
