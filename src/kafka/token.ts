// Tokens for SASL OAUTHBEARER, of an OAuth 2.0 endpoint by client credentials (RFC 6749 §4.4).
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { deadlineIn } from '../deadline.ts'
import { messageOf, TransientError } from '../errors.ts'

export type TokenEndpoint = {
  readonly url: string
  readonly client: string
  readonly secret: string
  /** Asked for when it is not empty. */
  readonly scope: string
  /** Told why there is no next token, once for each try. */
  readonly onLate: (why: string) => void
  /** A clock that never goes back, ms. */
  readonly now?: () => number
}

type Token = { readonly value: string; readonly renewAtMs: number; readonly usableUntilMs: number }

const answerMs = 10_000
/** Of a token's life, after which the next is asked for. */
const renewShare = 0.8
/** A token that ends within this, or within a tenth of its life, is of no use to a broker that is yet to see it, ms. */
const marginMs = 1_000
const marginShare = 0.1
/** For one that ends within this the next is waited for, so long: whoever gets it has to ask again soon otherwise, ms. */
const soonMs = 30_000
const patienceMs = 2_000
/** The least between the end of a try that failed and the next, ms. */
const againMs = 1_000
/** Of a token whose life is not told, s. */
const secondsDefault = 300
/** Characters of an endpoint's own words that are repeated in ours. */
const reasonLengthMax = 300

const granted = z.object({
  access_token: z.string().min(1),
  /** 0 and nothing stand for not told. */
  expires_in: z.coerce
    .number()
    .min(0)
    .default(0)
    .transform((seconds) => seconds || secondsDefault),
})
const refused = z.object({ error: z.string(), error_description: z.string().default('') })

/**
 * Gives the token that is kept, as long as it serves. The next is asked for before it ends, while it is still given: an
 * endpoint that fails or stands still for a while costs nothing. Throws TransientError without a token that serves.
 */
export function tokenProvider(endpoint: TokenEndpoint): () => Promise<{ value: string }> {
  const { now = () => performance.now(), onLate } = endpoint
  let token: Token | undefined
  let renewal: Promise<Token> | undefined
  /** What the last try came to, if that was no token; it is not made again before. */
  let failure: { readonly error: unknown; readonly untilMs: number } | undefined

  const renew = async (): Promise<Token> => {
    if (failure !== undefined && now() < failure.untilMs) throw failure.error
    renewal ??= ask(endpoint, now())
      .then((next) => {
        failure = undefined
        token = next
        return next
      })
      .catch((error: unknown) => {
        failure = { error, untilMs: now() + againMs }
        onLate(messageOf(error))
        throw error
      })
      .finally(() => {
        renewal = undefined
      })
    return renewal
  }

  return async () => {
    const at = now()
    const kept = token
    if (kept === undefined || at >= kept.usableUntilMs) return renew()
    if (at < kept.renewAtMs) return kept
    const next = renew().catch(() => kept)
    if (at < kept.usableUntilMs - soonMs) return kept
    return Promise.race([next, sleep(patienceMs, kept, { ref: false })])
  }
}

/** The errors that are thrown have no cause: kafkajs would take it for the error. */
async function ask({ url, client, secret, scope }: TokenEndpoint, askedMs: number): Promise<Token> {
  const { status, text } = await post(url, {
    authorization: `Basic ${Buffer.from(
      `${encodeURIComponent(client)}:${encodeURIComponent(secret)}`,
    ).toString('base64')}`,
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope === '' ? {} : { scope }),
    }).toString(),
  })
  const body = jsonOf(text)
  if (status < 200 || status > 299) {
    const { success, data } = refused.safeParse(body)
    const why = success
      ? ` (${`${data.error} ${data.error_description}`.trim().slice(0, reasonLengthMax)})`
      : ''
    const advice =
      status === 400 || status === 401
        ? ': check KINDRED_KAFKA_OAUTH_CLIENT, KINDRED_KAFKA_OAUTH_SECRET and KINDRED_KAFKA_OAUTH_SCOPE'
        : ''
    throw new TransientError(`the token endpoint answers ${status}${why}${advice}`)
  }
  const { success, data } = granted.safeParse(body)
  if (!success)
    throw new TransientError(
      'the token endpoint answers without a token that lives: is KINDRED_KAFKA_OAUTH_URL its URL?',
    )
  const lifeMs = data.expires_in * 1000
  return {
    value: data.access_token,
    renewAtMs: askedMs + lifeMs * renewShare,
    usableUntilMs: askedMs + lifeMs - Math.min(marginMs, lifeMs * marginShare),
  }
}

async function post(
  url: string,
  { authorization, body }: { authorization: string; body: string },
): Promise<{ status: number; text: string }> {
  using deadline = deadlineIn(answerMs)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        authorization,
      },
      body,
      signal: deadline.signal,
    })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    const why = deadline.passed
      ? `does not answer within ${answerMs / 1000} s`
      : `cannot be reached: ${messageOf(error)}`
    throw new TransientError(`the token endpoint ${why}`)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
