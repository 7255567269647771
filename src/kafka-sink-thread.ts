// The thread that sends to Kafka: takes rows of either feed, and answers each call once it is done or cannot be.
import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from './config.ts'
import { unreachable } from './core/assert.ts'
import { messageOf } from './errors.ts'
import type { Fields, LogLevel, Report } from './kafka/report.ts'
import { SharedState } from './kafka/shared-state.ts'
import { openKafkaSinks, type SinkStart } from './kafka-sinks.ts'
import type { OutboxRow } from './sink/port.ts'
import type { QuarantinedRecord } from './store/port.ts'

export type SinkThreadInput = {
  readonly dir: string
  readonly config: Config
  readonly start: SinkStart
  readonly state: SharedArrayBuffer
}

export type SinkThreadRequest = { readonly call: number } & (
  | { readonly kind: 'start' }
  | { readonly kind: 'deliver'; readonly to: 'changes'; readonly rows: readonly OutboxRow[] }
  | { readonly kind: 'deliver'; readonly to: 'dead_letters'; readonly rows: readonly QuarantinedRecord[] }
  | { readonly kind: 'close'; readonly to: 'changes' | 'dead_letters' }
)

export type SinkThreadReply =
  | { readonly kind: 'done'; readonly call: number; readonly next: number }
  | { readonly kind: 'failed'; readonly call: number; readonly message: string }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: Fields }
  | { readonly kind: 'problem'; readonly part: string; readonly message: string | undefined }

function reply(message: SinkThreadReply): void {
  parentPort!.postMessage(message)
}

/** Everything is told to the thread that started this one. */
const report: Report = {
  log: (level, message, fields = {}) => reply({ kind: 'log', level, message, fields: plain(fields) }),
  debug(message, fields = {}) {
    if (debugs) reply({ kind: 'log', level: 'debug', message, fields: plain(fields) })
  },
  starting: () => {},
  problem: (part, message) => reply({ kind: 'problem', part, message }),
}

const { dir, config, start, state } = workerData as SinkThreadInput
const debugs = config.logLevel === 'debug'
const { sink, deadLetters } = openKafkaSinks({ dir, config, start, state: new SharedState(state), report })

/** Does what is asked; the number that the feed takes next. */
async function answer(request: SinkThreadRequest): Promise<number> {
  switch (request.kind) {
    case 'start':
      await sink?.start()
      return sink?.next ?? 0
    case 'deliver':
      if (request.to === 'changes') await sink!.deliver(request.rows)
      else await deadLetters!.deliver(request.rows)
      return (request.to === 'changes' ? sink! : deadLetters!).next
    case 'close': {
      const taker = request.to === 'changes' ? sink : deadLetters
      await taker?.close()
      return taker?.next ?? 0
    }
    default:
      return unreachable(request)
  }
}

/** Fields that can be sent: what is no plain data is told as text. */
function plain(fields: Fields): Fields {
  return JSON.parse(JSON.stringify(fields)) as Fields
}

parentPort!.on('message', (request: SinkThreadRequest) => {
  const { call } = request
  answer(request).then(
    (next) => reply({ kind: 'done', call, next }),
    (error: unknown) => reply({ kind: 'failed', call, message: messageOf(error) }),
  )
})
