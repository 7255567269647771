// Errors told apart by type: what the pipeline and the commands do about a failure depends on its class alone.

/** The record cannot be read or applied: it is quarantined with its bytes and this cause, and the stream goes on. */
export class InvalidRecordError extends Error {
  override readonly name = 'InvalidRecordError'
}

/** May go well later: back off, do not advance. */
export class TransientError extends Error {
  override readonly name = 'TransientError'
}

/** Cannot go on: the process stops, saying what to do. */
export class FatalError extends Error {
  override readonly name: string = 'FatalError'
}

/** The command or request was wrong: exit code 2, saying how to use it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** There is no data, or not yet. */
export class NoDataError extends FatalError {
  override readonly name = 'NoDataError'
}

/** The data directory belongs to a running writer. */
export class LockedError extends FatalError {
  override readonly name = 'LockedError'
}

/** The message of an error and of its causes, on one line. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`
  return (error.message + cause).replaceAll(/\s*\n\s*/g, ' ')
}
