// The log of a process: JSON lines on stderr. Whatever is logged by mistake, credentials are not.
import pino, { type Logger } from 'pino'
import { type LogOutput, openLogOutput } from './log-output.ts'

/** Names of fields whose values are never written, at the top of a line and inside what it has. */
const secretFields = ['authorization', 'cookie', 'token', 'secret', 'secrets', 'password', 'api_key'] as const

/** The log on stderr; before the process ends, `end` waits for its last lines. */
export function openStderrLogger(level: string): { logger: Logger; end(): Promise<void> } {
  const output: LogOutput = openLogOutput(2, (lines) =>
    logger.warn({ lines }, 'lines of the log are missing here: they came quicker than they were read'),
  )
  const logger = openLogger(level, output)
  return { logger, end: () => output.end() }
}

export function openLogger(level: string, destination: pino.DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]),
        censor: '[redacted]',
      },
    },
    destination,
  )
}
