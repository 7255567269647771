// Signatures by Standard Webhooks (standardwebhooks.com, v1: HMAC-SHA256). Signing is these lines over node:crypto: the
// package `standardwebhooks` would add two dependencies for one call, and reads the clock itself where ours is handed in.
import { createHmac, randomBytes } from 'node:crypto'

const prefix = 'whsec_'
/** Bytes of a secret by the specification, and of those made here. */
const secretBytesMin = 24
const secretBytesMax = 64
const newSecretBytes = 32

/** The bytes of a secret; undefined for a text that is none. */
export function secretBytesOf(secret: string): Buffer | undefined {
  if (!secret.startsWith(prefix)) return undefined
  const text = secret.slice(prefix.length)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  if (text.endsWith('=') && text.length % 4 !== 0) return undefined // receivers may decode strictly
  const bytes = Buffer.from(text, 'base64')
  const whole = bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')
  return whole && bytes.length >= secretBytesMin && bytes.length <= secretBytesMax ? bytes : undefined
}

export function newSecret(): string {
  return prefix + randomBytes(newSecretBytes).toString('base64')
}

/** Headers that sign `body` as message `id` at `seconds` since 1970, with each of `secrets`. */
export function signedHeaders({
  id,
  seconds,
  body,
  secrets,
}: {
  id: string
  seconds: number
  body: string
  secrets: readonly string[]
}): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const signed = `${id}.${seconds}.${body}`
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', secretBytesOf(secret)!).update(signed).digest('base64')}`,
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures.join(' '),
  }
}
