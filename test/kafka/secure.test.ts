// Connections as clusters want them: TLS by a certificate authority of one's own, and tokens of an OAuth 2.0 endpoint.
// Consumed and sent over each, exactly.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Settings } from '../support/command.ts'
import { withDirectory } from '../support/command.ts'
import { skipKafka, withKafka } from '../support/kafka.ts'
import {
  assertExact,
  makeTopics,
  order,
  saidBy,
  servePlace,
  shopMessages,
  stopWell,
  untilMended,
  untilNotReady,
  withPlace,
} from '../support/kafka-shop.ts'
import type { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const keyPassword = 'keystore-password'
/** kafkajs authenticates anew ten seconds before a token ends. */
const tokenSeconds = 15
const client = { id: 'kindred', secret: 'of the client: 1/2' }

describe('secure connections to Kafka', { skip: skipKafka, concurrency: 2 }, () => {
  it('are TLS by the authority that is named, and no other', () =>
    withDirectory(async (dir) => {
      const { properties, ca } = serverTls(dir, 'SSL')
      await assertWorks('tls', {
        properties,
        secure: { KINDRED_KAFKA_TLS: 'true', KINDRED_KAFKA_TLS_CA: ca },
      })
    }))

  it('take tokens of an OAuth 2.0 endpoint, anew when they end', () =>
    withDirectory(async (dir) => {
      const { properties, ca } = serverTls(dir, 'SASL_SSL')
      const endpoint = await tokenEndpoint()
      try {
        const secure = {
          KINDRED_KAFKA_TLS: 'true',
          KINDRED_KAFKA_TLS_CA: ca,
          KINDRED_KAFKA_SASL: 'oauthbearer',
          KINDRED_KAFKA_OAUTH_URL: endpoint.url,
          KINDRED_KAFKA_OAUTH_CLIENT: client.id,
          KINDRED_KAFKA_OAUTH_SECRET: client.secret,
          KINDRED_KAFKA_OAUTH_SCOPE: 'kafka',
        }
        await assertWorks('oauth', {
          properties: { ...properties, ...oauthProperties },
          secure,
          async meanwhile(server) {
            const before = endpoint.given()
            await until('tokens are renewed', () => endpoint.given() > before + 1).catch(saidBy(server))
          },
        })
      } finally {
        endpoint.stop()
      }
    }))
})

/** Refused without what the settings hold; with them everything is consumed and every change delivered. */
async function assertWorks(
  name: string,
  {
    properties,
    secure,
    meanwhile = async () => undefined,
  }: { properties: Settings; secure: Settings; meanwhile?: (server: Server) => Promise<void> },
): Promise<void> {
  await withKafka({ properties }, ({ brokers, internalBrokers }) =>
    withPlace(
      name,
      { brokers: internalBrokers, env: { KINDRED_KAFKA_BROKERS: brokers.join() } },
      async (place) => {
        await makeTopics(place)
        await order(place, shopMessages(0, 500))
        const plain = await servePlace(place, { env: { ...secure, KINDRED_KAFKA_TLS_CA: '' } })
        await untilNotReady(plain, /no broker answers/)
        await stopWell(plain)
        const server = await servePlace(place, { env: secure })
        await untilMended(place, server)
        await meanwhile(server)
        await order(place, shopMessages(500, 1000))
        await untilMended(place, server)
        await stopWell(server)
        await assertExact(place)
      },
    ),
  )
}

/** A key of the broker's own, and its certificate as the authority that clients are told of. */
function serverTls(dir: string, protocol: 'SSL' | 'SASL_SSL'): { properties: Settings; ca: string } {
  const keystore = join(dir, 'broker.p12')
  const keytool = (...args: string[]) =>
    execFileSync('keytool', [...args, '-keystore', keystore, '-storepass', keyPassword, '-alias', 'broker'])
  keytool(
    ...['-genkeypair', '-keyalg', 'EC', '-groupname', 'secp256r1', '-storetype', 'PKCS12'],
    ...['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1', '-validity', '2'],
  )
  const ca = join(dir, 'ca.pem')
  writeFileSync(ca, keytool('-exportcert', '-rfc'))
  const properties = {
    'listener.security.protocol.map': `CLIENT:${protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'listener.name.client.ssl.keystore.location': keystore,
    'listener.name.client.ssl.keystore.password': keyPassword,
    'listener.name.client.ssl.keystore.type': 'PKCS12',
  }
  return { properties, ca }
}

/** The broker takes tokens that are not signed: what is tested is the way they come. */
const oauthProperties: Settings = {
  'sasl.enabled.mechanisms': 'OAUTHBEARER',
  'listener.name.client.oauthbearer.sasl.jaas.config':
    'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;',
}

/** Grants client credentials (RFC 6749 §4.4) tokens that live for a moment, and breaks off every other time. */
async function tokenEndpoint(): Promise<{ url: string; given: () => number; stop: () => void }> {
  let given = 0
  let requests = 0
  const server = createServer(async (request, response) => {
    if (requests++ % 2 === 1) {
      request.socket.destroy()
      return
    }
    const credentials = Buffer.from(`${request.headers.authorization}`.slice('Basic '.length), 'base64')
    const [id, secret] = credentials.toString().split(':').map(decodeURIComponent)
    const asked = new URLSearchParams(await bodyOf(request))
    const right =
      id === client.id &&
      secret === client.secret &&
      asked.get('grant_type') === 'client_credentials' &&
      asked.get('scope') === 'kafka'
    if (right) given++
    response.writeHead(right ? 200 : 401, { 'content-type': 'application/json' })
    response.end(
      right ? JSON.stringify({ access_token: unsignedToken(tokenSeconds), expires_in: tokenSeconds }) : '{}',
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/token`, given: () => given, stop: () => server.close() }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** A JWS of algorithm `none` (RFC 7519 §6). */
function unsignedToken(seconds: number): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: client.id, iat: now, exp: now + seconds })}.`
}
