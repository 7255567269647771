// The server.properties of one Kafka node on the loopback: broker and controller, all that is kept in one directory.

export type Sasl = {
  /** Name → password: known to PLAIN and SCRAM-SHA-256. */
  readonly users: Readonly<Record<string, string>>
  /** Of these users, those that need no ACL. */
  readonly superUsers?: readonly string[]
}

export type Node = {
  readonly data: string
  readonly ports: { readonly client: number; readonly internal: number; readonly controller: number }
  readonly sasl?: Sasl | undefined
  readonly properties?: Readonly<Record<string, string>> | undefined
}

const forever = '9223372036854775807'

/**
 * Two listeners: CLIENT, and INTERNAL, plaintext and without limits for whoever is on this machine, for the broker itself
 * and for those who set up a test. They differ where clients must authenticate.
 */
export function nodeProperties({ data, ports, sasl, properties }: Node): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    listeners: Object.entries(ports)
      .map(([name, port]) => `${name.toUpperCase()}://127.0.0.1:${port}`)
      .join(','),
    'advertised.listeners': `CLIENT://127.0.0.1:${ports.client},INTERNAL://127.0.0.1:${ports.internal}`,
    'listener.security.protocol.map': `CLIENT:${sasl ? 'SASL_PLAINTEXT' : 'PLAINTEXT'},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    'log.dirs': data,
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    'message.max.bytes': String(16 * 1024 * 1024),
    ...small,
    ...quick,
    ...oldEvents,
    ...(sasl === undefined ? {} : saslProperties(sasl)),
    ...properties,
  }
}

const small = {
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '4',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '4',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'log.cleaner.dedupe.buffer.size': '2097152',
}

const quick = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  // a killed broker may come back only when its session has ended: by default after nine seconds
  'broker.session.timeout.ms': '1000',
  'broker.heartbeat.interval.ms': '200',
}

/** Events happened years ago, and Kafka would delete, refuse or split files by their time. */
const oldEvents = {
  'log.retention.ms': '-1',
  'log.roll.ms': forever,
  'log.message.timestamp.before.max.ms': forever,
  'log.message.timestamp.after.max.ms': forever,
}

function saslProperties({ users, superUsers = [] }: Sasl): Record<string, string> {
  const plainUsers = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'listener.name.client.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${plainUsers.join(' ')};`,
    'listener.name.client.scram-sha-256.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': 'false',
    'super.users': ['ANONYMOUS', ...superUsers].map((name) => `User:${name}`).join(';'),
  }
}

/** As Java reads it. */
export function propertiesFile(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}
