// The log of a process: JSON lines on stderr. Whatever is logged by mistake, credentials are not.
import pino, { type Logger } from 'pino'

/** Names of fields whose values are never written, at the top of a line and inside what it has. */
const secretFields = ['authorization', 'cookie', 'token', 'secret', 'secrets', 'password', 'api_key'] as const

export function openLogger(level: string, destination: pino.DestinationStream = pino.destination(2)): Logger {
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
