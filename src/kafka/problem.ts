// What a failure of Kafka means: may it go well later, and in which words is it told?
import { FatalError, InvalidRecordError, messageOf, TransientError, UsageError } from '../errors.ts'

/** The fields that kafkajs's errors are told apart by. */
type KafkaFailure = Error & {
  readonly type?: string
  readonly code?: unknown
  readonly retriable?: boolean
  readonly cause?: unknown
}

const advice: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED:
    'Kafka denies access to a topic: grant READ on the topics consumed, READ and WRITE on those sent to, and DESCRIBE_CONFIGS on all of them to `kindred topics`',
  GROUP_AUTHORIZATION_FAILED:
    'Kafka denies access to the consumer group: grant READ on the group and its register',
  CLUSTER_AUTHORIZATION_FAILED:
    'Kafka denies an operation of the cluster: grant CREATE on the topics, or make them by other means',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    'Kafka denies transactions: grant WRITE and DESCRIBE on the transactional ids that begin with the group, or use KINDRED_KAFKA_DELIVERY=at_least_once',
  MESSAGE_TOO_LARGE: 'a topic takes no message of this size: raise its max.message.bytes',
  UNKNOWN_TOPIC_OR_PARTITION: 'a topic does not exist: make it with `kindred topics create`',
}

/** Whether a topic refuses messages, or so many at once, for their size. */
export function isTooLarge(error: unknown): boolean {
  const { type } = rootOf(error)
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE'
}

/** Failures that another try cannot mend. */
const fatal = new Set(['INCONSISTENT_GROUP_PROTOCOL', 'UNSUPPORTED_VERSION', 'INVALID_GROUP_ID'])

const unreachable = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSRequestTimeoutError',
])

/** The failure at the bottom: what kafkajs gave up trying again is the cause of what it throws. */
export function rootOf(error: unknown): KafkaFailure {
  let root = error as KafkaFailure
  while (root.cause instanceof Error) root = root.cause as KafkaFailure
  return root
}

/** The error as one of our own: Transient with what to do, or Fatal. */
export function kafkaFailure(error: unknown, doing: string): TransientError | FatalError {
  if (error instanceof FatalError || error instanceof TransientError) return error
  if (error instanceof UsageError || error instanceof InvalidRecordError || !(error instanceof Error))
    return new FatalError(`${doing}: ${messageOf(error)}`, { cause: error })
  const root = rootOf(error)
  if (root instanceof FatalError || root instanceof TransientError) return root
  const known = root.type === undefined ? undefined : advice[root.type]
  if (known !== undefined) return new TransientError(`${doing}: ${known}`, { cause: error })
  if (root.type === 'INCONSISTENT_GROUP_PROTOCOL')
    return new FatalError(
      `${doing}: the consumer group is used by another application: name another with KINDRED_KAFKA_GROUP`,
      { cause: error },
    )
  // kafkajs keeps each broker's reason to itself here
  if (root.name === 'KafkaJSGroupCoordinatorNotFound')
    return new TransientError(
      `${doing}: no broker names a coordinator: grant READ on the groups, and DESCRIBE and WRITE on the transactional ids, that begin with the group's name; or wait until a broker has started`,
      { cause: error },
    )
  if (root.name === 'KafkaJSSASLAuthenticationError')
    return new TransientError(`${doing}: Kafka refuses the credentials (${root.message})`, { cause: error })
  if (unreachable.has(root.name) || root.code === 'ECONNREFUSED')
    return new TransientError(`${doing}: no broker answers (${root.message})`, { cause: error })
  if (root.name.startsWith('KafkaJS') && !fatal.has(root.type ?? '') && root.name !== 'KafkaJSNotImplemented')
    return new TransientError(`${doing}: ${root.message}`, { cause: error })
  return new FatalError(`${doing}: ${root.message}`, { cause: error })
}
