// One attempt: a POST whose connection goes to an allowed address, which neither follows redirects nor waits for ever, and
// reads a bounded answer. node:http, because its lookup hook sees the addresses that each connection may be made to.
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { WebhookBody } from '../../codec/webhook-body.ts'
import { type Deadline, deadlineIn } from '../../deadline.ts'
import { type AddressPolicy, checkAddress, guardedLookup, literalOf, urlProblem } from './address.ts'

/** Bytes of an answer that are read: its status stands by then, and what comes after, or does not, changes nothing. */
const answerBytesMax = 64 * 1024
/** Connections kept open for the next delivery, of one receiver and in all. */
const idleSocketsMax = 16
const idleTotalMax = 512

export type Attempt = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: WebhookBody
  readonly signal: AbortSignal
}

/** What came of it: an answer that arrived whole or was longer than is read, or why there is none. */
export type Outcome =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly kind: 'failed'; readonly error: string }

export type Sender = { send(attempt: Attempt): Promise<Outcome>; close(): void }

export type SenderOptions = {
  readonly policy: AddressPolicy
  /** From the beginning to the end of the answer. */
  readonly timeoutMs: number
  /** Resolves names; the system's when left out. */
  readonly lookup?: Parameters<typeof guardedLookup>[1]
}

export function createSender({ policy, timeoutMs, lookup }: SenderOptions): Sender {
  const options = {
    keepAlive: true,
    maxFreeSockets: idleSocketsMax,
  }
  const agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) }
  const guard = guardedLookup(policy, lookup)
  return {
    async send(attempt) {
      const problem = urlProblem(attempt.url, policy)
      if (problem !== undefined) return { kind: 'failed', error: `the URL ${problem}` }
      using deadline = deadlineIn(timeoutMs, attempt.signal)
      trimIdle(agents)
      for (let again = false; ; again = true) {
        const outcome = await exchange(attempt, { agents, guard, policy, deadline })
        if (outcome !== 'stale' || again)
          return outcome === 'stale' ? { kind: 'failed', error: 'the connection was reset' } : outcome
      }
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

type Agents = { readonly 'http:': HttpAgent; readonly 'https:': HttpsAgent }
type Exchange = {
  readonly agents: Agents
  readonly guard: ReturnType<typeof guardedLookup>
  readonly policy: AddressPolicy
  readonly deadline: Deadline
}

/** `stale`: a connection that was kept had been closed by the receiver before it read anything. */
function exchange(
  { url, headers, body }: Attempt,
  { agents, guard, policy, deadline }: Exchange,
): Promise<Outcome | 'stale'> {
  const target = new URL(url)
  const secure = target.protocol === 'https:'
  const options: RequestOptions = {
    method: 'POST',
    agent: agents[secure ? 'https:' : 'http:'],
    lookup: guard,
    signal: deadline.signal,
    headers: {
      ...headers,
      'content-type': body.contentType,
      'content-length': Buffer.byteLength(body.text),
      'user-agent': 'Kindred webhooks',
    },
  }
  return new Promise((resolve) => {
    const fail = (error: unknown) => resolve({ kind: 'failed', error: reasonOf(error, deadline) })
    const literal = literalOf(target.hostname)
    try {
      if (literal !== undefined) checkAddress(literal, policy) // Node resolves names alone
    } catch (error) {
      return fail(error)
    }
    let answered = false
    const request = (secure ? httpsRequest : httpRequest)(target, options, (response) => {
      answered = true
      read(response, () => request.destroy()).then(resolve, fail)
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && !answered && error.code === 'ECONNRESET') resolve('stale')
      else fail(error)
    })
    request.on('upgrade', (response, socket) => {
      socket.destroy() // another protocol is no answer, and the request has no end of its own any more
      resolve(answerOf(response))
    })
    // what ends without a word still ends
    request.on('close', () => answered || fail(new Error('the connection was closed')))
    deadline.signal.addEventListener('abort', () => fail(new Error('it was given up')), { once: true })
    request.end(body.text)
  })
}

/** Resolves once the answer is whole, or longer than is read; rejects when it breaks off. */
function read(response: IncomingMessage, enough: () => void): Promise<Outcome> {
  const outcome = answerOf(response)
  return new Promise((resolve, reject) => {
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= answerBytesMax) return
      resolve(outcome)
      enough()
    })
    response.on('end', () => resolve(outcome)) // which does not come for one that breaks off
    response.on('error', (error) => reject(new Error('the answer broke off', { cause: error })))
    response.on('close', () => reject(new Error('the answer broke off')))
  })
}

function answerOf({ statusCode = 0, headers }: IncomingMessage): Outcome {
  return { kind: 'answered', status: statusCode, retryAfter: headers['retry-after'] }
}

/** Why an attempt failed, without anything that the receiver said. */
function reasonOf(error: unknown, deadline: Deadline): string {
  if (deadline.passed) return 'it took too long'
  const { code, message, name } = error as NodeJS.ErrnoException
  if (code?.startsWith('HPE_')) return 'the answer is not HTTP'
  return name === 'AddressRefused' || code === undefined ? message : code
}

/** Idle connections of all receivers together are bounded: beyond, they are all closed. */
function trimIdle(agents: Agents): void {
  for (const { freeSockets } of Object.values(agents)) {
    const sockets = Object.values(freeSockets as Record<string, Socket[]>).flat()
    if (sockets.length > idleTotalMax) for (const socket of sockets) socket.destroy()
  }
}
