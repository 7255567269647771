// A receiver's check of a signature, written from the text of the Standard Webhooks specification and with WebCrypto, so
// that it shares nothing with the code that signs.
import { webcrypto } from 'node:crypto'

const toleranceSeconds = 5 * 60

export type SignedMessage = {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

/** Resolves to the message's id; rejects for one that must not be believed, saying why. */
export async function verifySigned(
  { headers, body }: SignedMessage,
  { secret, nowSeconds }: { secret: string; nowSeconds: number },
): Promise<string> {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => {
    const value = headers[name]
    if (typeof value !== 'string' || value === '') throw new Error(`no header ${name}`)
    return value
  })
  if (!/^\d+$/.test(timestamp!)) throw new Error('the timestamp is not whole seconds')
  if (Math.abs(nowSeconds - Number(timestamp)) > toleranceSeconds)
    throw new Error('the timestamp is too old or too new')
  if (!secret.startsWith('whsec_')) throw new Error('the secret is none')
  const key = await webcrypto.subtle.importKey(
    'raw',
    Uint8Array.from(atob(secret.slice('whsec_'.length)), (char) => char.charCodeAt(0)),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  )
  const head = new TextEncoder().encode(`${id}.${timestamp}.`)
  const signed = new Uint8Array(head.length + body.length)
  signed.set(head)
  signed.set(body, head.length)
  for (const signature of signatures!.split(' ')) {
    const comma = signature.indexOf(',')
    if (signature.slice(0, comma) !== 'v1') continue // of a version that is not spoken here
    const bytes = Uint8Array.from(atob(signature.slice(comma + 1)), (char) => char.charCodeAt(0))
    if (await webcrypto.subtle.verify('HMAC', key, bytes, signed)) return id!
  }
  throw new Error('no signature fits')
}
