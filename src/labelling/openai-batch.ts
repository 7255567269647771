// The provider's batch API: questions in a file, answers within a day, at half the price, and never paid for twice.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI, { toFile } from 'openai'
import type { Batch } from 'openai/resources/batches'
import { FatalError } from '../errors.ts'
import { batchAnswers } from './batch-output.ts'
import { tokensInOf } from './chat-request.ts'
import type { Answered, Outcome, PaidCalls, PaidRequest } from './paid-calls.ts'
import { dropPendingBatch, type PendingBatch, readPendingBatch, writePendingBatch } from './pending-batch.ts'
import type { Failure } from './port.ts'

/** What OpenAI takes in one batch: 50,000 requests, 200 MB. */
const batchLinesMax = 50_000
const batchBytesMax = 190_000_000
/** A batch is looked for among those made since this long before its mark was written, ms: clocks differ. */
const clockSkewMs = 3_600_000

export type BatchOptions = {
  readonly calls: PaidCalls
  readonly pollMs: number
  /** Told what the batch does, in words. */
  readonly onState: (state: string) => void
}

type Item<T> = { readonly paidRequest: PaidRequest<T> }
/** A batch under way: reserved money by key, and how to read the answers that this run asks for. */
type Expected = {
  readonly most: ReadonlyMap<string, number>
  readonly reads: ReadonlyMap<string, PaidRequest<unknown>['read']>
}

/**
 * Answers every item: known ones at once, then those of a batch that an earlier run left, then by new batches, one after
 * the other. A line that the batch did not answer is not asked for again in this run.
 */
export async function* runBatches<T, I extends Item<T>>(
  items: readonly I[],
  options: BatchOptions,
): AsyncGenerator<{ item: I; answer: Answered<T> }> {
  const { calls } = options
  const reads = new Map(items.map(({ paidRequest: { key, read } }) => [key, read]))
  const left = readPendingBatch(calls.options.dir)
  const failures = left === undefined ? new Map<string, Failure>() : await pickUp(left, { options, reads })
  const open: I[] = []
  for (const item of items) {
    const answer = calls.known(item.paidRequest) ?? failures.get(item.paidRequest.key)
    if (answer === undefined) open.push(item)
    else yield { item, answer }
  }
  while (open.length > 0) {
    const { batch, most, refused } = nextBatch(open, calls)
    for (const item of refused) yield { item, answer: 'not_sent' }
    if (batch.length === 0) continue
    const pending = await submit(batch, options)
    const failed = await finish(pending, { options, expected: { most, reads } })
    for (const item of batch)
      yield { item, answer: failed.get(item.paidRequest.key) ?? answerOf(item, calls) }
  }
}

function answerOf<T>({ paidRequest }: Item<T>, calls: PaidCalls): Outcome<T> {
  return calls.peek(paidRequest)!
}

/** Takes from `open` what fits one batch and the cost limit; what the limit refuses is given back. */
function nextBatch<I extends Item<unknown>>(open: I[], calls: PaidCalls) {
  const batch: I[] = []
  const refused: I[] = []
  const most = new Map<string, number>()
  let bytes = 0
  while (open.length > 0 && batch.length < batchLinesMax) {
    const { paidRequest } = open[0]!
    bytes += Buffer.byteLength(lineOf(paidRequest))
    if (bytes > batchBytesMax && batch.length > 0) break
    const reserved = calls.reserve(paidRequest.request, 1)
    const item = open.shift()!
    if (reserved === undefined) refused.push(item)
    else {
      most.set(paidRequest.key, reserved)
      batch.push(item)
    }
  }
  return { batch, most, refused }
}

/** Enters the calls, writes down what is about to be made, makes it, and writes down its id. */
async function submit(
  batch: readonly Item<unknown>[],
  { calls, onState }: BatchOptions,
): Promise<PendingBatch> {
  const { dir, client, now } = calls.options
  const requests = batch.map(({ paidRequest }) => paidRequest)
  const entered = calls.send(requests, 'batch')
  const begun: PendingBatch = {
    mark: randomUUID(),
    startedAt: now(),
    batchId: undefined,
    baseUrl: client.baseUrl,
    lines: requests.map(({ key, users, request }, i) => ({
      key,
      users,
      call: entered[i]!,
      tokensInMost: tokensInOf(request).most,
    })),
  }
  writePendingBatch(dir, begun)
  onState(`sending ${requests.length} questions`)
  const { id } = await orExplain(calls, () => create(requests.map(lineOf).join(''), { begun, calls }))
  const pending = { ...begun, batchId: id }
  writePendingBatch(dir, pending)
  return pending
}

/**
 * Makes the batch. It is not tried again by itself: a try that failed may have made it, and the next run finds it by its
 * mark. One that was refused was not made, so nothing is left of it.
 */
async function create(
  text: string,
  { begun, calls }: { begun: PendingBatch; calls: PaidCalls },
): Promise<{ id: string }> {
  const { client, dir } = calls.options
  try {
    const file = await client.sdk.files.create({
      file: await toFile(Buffer.from(text), 'labels.jsonl'),
      purpose: 'batch',
    })
    return await client.sdk.batches.create(
      {
        input_file_id: file.id,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
        metadata: { kindred: begun.mark },
      },
      { maxRetries: 0 },
    )
  } catch (error) {
    if (!(error instanceof OpenAI.APIError) || !refusals.has(error.status ?? 0)) throw error
    calls.lost(begun.lines.map(({ call }) => ({ call, failure: neverMade, most: 0 })))
    dropPendingBatch(dir)
    throw new FatalError(
      `${client.baseUrl} refuses the batch (HTTP ${error.status}): ${client.failureText(error)}`,
    )
  }
}

/** Statuses by which a request was not done. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 415, 422, 429, 501])

/** Ends what an earlier run began: fetches its answers, or finds that it was never made. Gives its failures. */
async function pickUp(
  left: PendingBatch,
  { options, reads }: { options: BatchOptions; reads: Expected['reads'] },
): Promise<Map<string, Failure>> {
  const { calls, onState } = options
  const { client, dir } = calls.options
  if (left.baseUrl !== client.baseUrl)
    throw new FatalError(`a batch is under way at ${left.baseUrl}: run again with --base-url ${left.baseUrl}`)
  const batchId = left.batchId ?? (await orExplain(calls, () => findByMark(left, client.sdk)))
  if (batchId === undefined) {
    calls.lost(left.lines.map(({ call }) => ({ call, failure: neverMade, most: 0 })))
    dropPendingBatch(dir)
    return new Map()
  }
  onState(`picking up batch ${batchId}`)
  return finish({ ...left, batchId }, { options, expected: { most: new Map(), reads } })
}

const neverMade: Failure = { reason: 'batch_failed', detail: 'the batch was never made', paid: false }

async function findByMark(left: PendingBatch, sdk: OpenAI): Promise<string | undefined> {
  for await (const batch of sdk.batches.list({ limit: 100 })) {
    if (batch.metadata?.kindred === left.mark) return batch.id
    if (batch.created_at * 1000 < left.startedAt - clockSkewMs) return undefined // newest first
  }
  return undefined
}

/** Waits for the batch, keeps its answers, forgets it. Gives what failed, by key. */
async function finish(
  pending: PendingBatch,
  { options, expected }: { options: BatchOptions; expected: Expected },
): Promise<Map<string, Failure>> {
  const { calls } = options
  const { sdk } = calls.options.client
  const batch = await ended(pending, options)
  const texts: string[] = []
  for (const file of [batch.output_file_id, batch.error_file_id])
    if (file != null) texts.push(await orExplain(calls, async () => (await sdk.files.content(file)).text()))
  const { bodies, failures } = batchAnswers(texts, { batch, keys: pending.lines.map(({ key }) => key) })
  const lines = pending.lines.filter(({ key, call, users }) => users.length > 0 && !calls.has(key, call))
  const mostOf = (key: string) => expected.most.get(key) ?? 0
  calls.keep(
    lines.flatMap((line) => {
      const body = bodies.get(line.key)
      return body === undefined
        ? []
        : [{ ...line, body, most: mostOf(line.key), read: expected.reads.get(line.key) }]
    }),
  )
  calls.lost(
    lines.flatMap(({ key, call }) => {
      const failure = failures.get(key)
      return failure === undefined ? [] : [{ call, failure, most: mostOf(key) }]
    }),
  )
  dropPendingBatch(calls.options.dir)
  return failures
}

const endStates = new Set<Batch['status']>(['completed', 'failed', 'expired', 'cancelled'])

async function ended({ batchId }: PendingBatch, { calls, pollMs, onState }: BatchOptions): Promise<Batch> {
  const { sdk } = calls.options.client
  for (;;) {
    const batch = await orExplain(calls, () => sdk.batches.retrieve(batchId!))
    const { completed = 0, failed = 0, total = 0 } = batch.request_counts ?? {}
    onState(`batch ${batch.id}: ${batch.status}, ${completed + failed} of ${total}`)
    if (endStates.has(batch.status)) return batch
    await sleep(pollMs)
  }
}

/** A call about a batch: a failure ends the run, and the batch is picked up by the next. */
async function orExplain<T>({ options: { client, dir } }: PaidCalls, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof OpenAI.NotFoundError)
      throw new FatalError(
        `${client.baseUrl} does not know the batch or its file (is this another account's key?); ${dir}/batch.json says which it is: remove that file to give the batch up`,
        { cause: error },
      )
    const { detail } = client.failureOf(error)
    throw new FatalError(`the batch cannot be reached: ${detail}; it is picked up by the next run`)
  }
}

function lineOf({ key, request }: PaidRequest<unknown>): string {
  return `${JSON.stringify({ custom_id: key, method: 'POST', url: '/v1/chat/completions', body: request })}\n`
}
