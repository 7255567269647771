// Reading what a batch left: bodies of answered lines, and why the others have none.
import type { Batch } from 'openai/resources/batches'
import type { Failure, FailureReason } from './port.ts'
import { oneLine } from './reply.ts'

/** A line of the output or the error file. */
type OutputLine = {
  custom_id?: unknown
  response?: { status_code?: unknown; body?: unknown } | null
  error?: { code?: unknown; message?: unknown } | null
}

export type BatchAnswers = {
  /** Chat completion, as JSON, by key. */
  readonly bodies: Map<string, string>
  readonly failures: Map<string, Failure>
}

/** Every key has a body or a failure. Lines that cannot be read, or are of other keys, answer nobody. */
export function batchAnswers(
  texts: readonly string[],
  { batch, keys }: { batch: Batch; keys: readonly string[] },
): BatchAnswers {
  const bodies = new Map<string, string>()
  const failures = new Map<string, Failure>()
  for (const line of texts.flatMap((text) => text.split('\n'))) {
    const { custom_id: key, response, error } = parsed(line)
    if (typeof key !== 'string' || bodies.has(key)) continue
    if (response?.status_code === 200) bodies.set(key, JSON.stringify(response.body ?? null))
    else failures.set(key, lineFailure(response, error))
  }
  for (const key of keys) {
    if (bodies.has(key)) failures.delete(key)
    else if (!failures.has(key)) failures.set(key, batchFailure(batch))
  }
  return { bodies, failures }
}

function lineFailure(response: OutputLine['response'], error: OutputLine['error']): Failure {
  const status = Number(response?.status_code)
  const said = error ?? (response?.body as { error?: OutputLine['error'] } | null | undefined)?.error
  const code = String(said?.code ?? '')
  return {
    reason: reasonOf(code, status),
    detail: oneLine(
      `the batch answered this line with ${String(said?.message ?? (code || `HTTP ${status}`))}`,
    ),
    paid: false,
  }
}

function reasonOf(code: string, status: number): FailureReason {
  if (code === 'batch_expired') return 'batch_expired'
  if (code === 'batch_cancelled') return 'batch_cancelled'
  if (code === 'content_filter') return 'content_filter'
  if (status === 429) return 'rate_limited'
  return status >= 500 ? 'server_error' : 'rejected'
}

/** Why a line is in neither file. */
function batchFailure({ id, status, errors }: Batch): Failure {
  const said = errors?.data?.[0]?.message
  switch (status) {
    case 'expired':
      return { reason: 'batch_expired', detail: `batch ${id} expired before this line`, paid: false }
    case 'cancelled':
      return { reason: 'batch_cancelled', detail: `batch ${id} was cancelled before this line`, paid: false }
    default:
      return {
        reason: 'batch_failed',
        detail: oneLine(`batch ${id} is ${status} without this line${said === undefined ? '' : `: ${said}`}`),
        paid: false,
      }
  }
}

function parsed(line: string): OutputLine {
  try {
    return (JSON.parse(line) ?? {}) as OutputLine
  } catch {
    return {}
  }
}
