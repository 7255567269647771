// What source, sinks and commands share of Kafka: one client by the configuration, its log lines handed on.
import { readFileSync } from 'node:fs'
import type { Kafka as Client, KafkaConfig, SASLOptions } from 'kafkajs'
import { messageOf, UsageError } from '../errors.ts'
import { registerCompression } from './compression.ts'
import { Kafka, logLevel } from './kafkajs.ts'
import { tokenProvider } from './token.ts'

/** Settings of a connection. */
export type ConnectionSettings = {
  readonly kafkaBrokers: string
  readonly kafkaTls: string
  readonly kafkaTlsCa: string
  readonly kafkaTlsCert: string
  readonly kafkaTlsKey: string
  readonly kafkaSasl: 'none' | 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer'
  readonly kafkaUser: string
  readonly kafkaPassword: string
  readonly kafkaOauthUrl: string
  readonly kafkaOauthClient: string
  readonly kafkaOauthSecret: string
  readonly kafkaOauthScope: string
}

export type LogLine = (message: string, fields: Readonly<Record<string, unknown>>) => void

const connectionMs = 5_000
const requestMs = 30_000

/** Is a flag of the configuration on? */
export function isOn(flag: string): boolean {
  return flag === 'true' || flag === '1'
}

/** A client; it connects when its consumers and producers do. `debug` gets the library's own lines. Throws UsageError. */
export function createKafka(settings: ConnectionSettings, debug: LogLine = () => {}): Client {
  registerCompression()
  const sasl = saslOf(settings, debug)
  return new Kafka({
    clientId: 'kindred',
    brokers: brokersOf(settings.kafkaBrokers),
    ssl: tlsOf(settings),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: connectionMs,
    authenticationTimeout: connectionMs,
    requestTimeout: requestMs,
    enforceRequestTimeout: true,
    retry: { initialRetryTime: 100, retries: 5, maxRetryTime: 3_000 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ namespace, log: { message, stack: _stack, timestamp: _timestamp, logger: _logger, ...fields } }) =>
        debug(`kafkajs ${namespace}: ${message}`, fields),
  })
}

export function brokersOf(text: string): string[] {
  const brokers = text
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '')
  const wrong = brokers.find((broker) => !/^(?:\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(broker))
  if (brokers.length === 0 || wrong !== undefined)
    throw new UsageError(`KINDRED_KAFKA_BROKERS: ${JSON.stringify(wrong ?? text)} is not host:port`)
  return brokers
}

function tlsOf(settings: ConnectionSettings): NonNullable<KafkaConfig['ssl']> {
  if (!isOn(settings.kafkaTls)) return false
  return {
    ...fileOption('ca', settings.kafkaTlsCa),
    ...fileOption('cert', settings.kafkaTlsCert),
    ...fileOption('key', settings.kafkaTlsKey),
  }
}

function fileOption(name: 'ca' | 'cert' | 'key', file: string): Record<string, string> {
  if (file === '') return {}
  try {
    return { [name]: readFileSync(file, 'utf8') }
  } catch (error) {
    throw new UsageError(`KINDRED_KAFKA_TLS_${name.toUpperCase()}: ${messageOf(error)}`)
  }
}

function saslOf(settings: ConnectionSettings, debug: LogLine): SASLOptions | undefined {
  const { kafkaSasl: mechanism, kafkaUser: username, kafkaPassword: password } = settings
  switch (mechanism) {
    case 'none':
      return undefined
    case 'oauthbearer':
      if (settings.kafkaOauthUrl === '')
        throw new UsageError('KINDRED_KAFKA_OAUTH_URL is needed for oauthbearer: the token endpoint')
      if (!isTokenUrl(settings.kafkaOauthUrl))
        throw new UsageError(
          'KINDRED_KAFKA_OAUTH_URL is no http or https URL without credentials: those go to KINDRED_KAFKA_OAUTH_CLIENT and KINDRED_KAFKA_OAUTH_SECRET',
        )
      return {
        mechanism,
        oauthBearerProvider: tokenProvider({
          url: settings.kafkaOauthUrl,
          client: settings.kafkaOauthClient,
          secret: settings.kafkaOauthSecret,
          scope: settings.kafkaOauthScope,
          onLate: (why) => debug(`the token of Kafka is not renewed yet: ${why}`, {}),
        }),
      }
    default:
      if (username === '' || password === '')
        throw new UsageError(`KINDRED_KAFKA_USER and KINDRED_KAFKA_PASSWORD are needed for ${mechanism}`)
      return { mechanism, username, password } as SASLOptions
  }
}

function isTokenUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return /^https?:$/.test(protocol) && username === '' && password === ''
}

/** Runs `work` with an admin connection, which is closed after. */
export async function withAdmin<T>(
  kafka: Client,
  work: (admin: ReturnType<Client['admin']>) => Promise<T>,
): Promise<T> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
