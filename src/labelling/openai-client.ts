// The OpenAI SDK, and what its failures mean: an answer's body comes back as text, all else as a reason or an end.
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai'
import { FatalError, messageOf } from '../errors.ts'
import type { ChatRequest } from './chat-request.ts'
import type { Failure } from './port.ts'
import { oneLine } from './reply.ts'

export type ApiSettings = {
  readonly baseUrl: string
  readonly apiKey: string
  /** Of one attempt, ms. */
  readonly timeoutMs: number
  readonly retries: number
}

/** The longest wait that a provider may ask for by Retry-After, ms: asked for a longer one, the call fails at once. */
const retryWaitMsMax = 60_000

export class ApiClient {
  readonly sdk: OpenAI
  readonly baseUrl: string
  readonly #settings: ApiSettings

  constructor(settings: ApiSettings) {
    const { baseUrl, apiKey, timeoutMs, retries } = settings
    this.#settings = settings
    this.baseUrl = baseUrl
    // logging off: the SDK would log to stdout, which is the answer's alone
    this.sdk = new OpenAI({
      baseURL: baseUrl,
      apiKey,
      timeout: timeoutMs,
      maxRetries: retries,
      logLevel: 'off',
      fetch: fetchImpatiently,
    })
  }

  /** Attempts of one call at the most. */
  get attemptsMax(): number {
    return this.#settings.retries + 1
  }

  /** The body of an answered request. Throws FatalError for what every further call would meet too. */
  async complete(request: ChatRequest): Promise<{ body: string } | Failure> {
    const { timeoutMs, retries } = this.#settings
    const stop = new AbortController()
    const msMax = (retries + 1) * timeoutMs + retries * retryWaitMsMax
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        stop.abort()
        reject(new APIConnectionTimeoutError())
      }, msMax)
    })
    try {
      return await Promise.race([this.#body(request, stop), deadline])
    } catch (error) {
      return this.failureOf(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** What a failed request means for the one line it was about. Throws FatalError when it means the end. */
  failureOf(error: unknown): Failure {
    const detail = this.failureText(error)
    if (error instanceof APIConnectionTimeoutError || error instanceof APIUserAbortError)
      return unpaid(
        'timeout',
        `no answer within ${this.#settings.timeoutMs} ms a try (it may have been charged)`,
      )
    if (error instanceof APIConnectionError)
      return unpaid('connection', `cannot reach ${this.baseUrl}: ${detail}`)
    if (!(error instanceof APIError)) throw error
    const { status, code } = error
    if (status === 401 || status === 403)
      throw new FatalError(
        `${this.baseUrl} does not take the API key (HTTP ${status}): set KINDRED_OPENAI_API_KEY`,
      )
    if (status === 404)
      throw new FatalError(
        `${this.baseUrl} knows no such model or address: ${detail}; see --model, --base-url`,
      )
    if (code === 'insufficient_quota')
      throw new FatalError(`the account's quota is used up: ${detail}; what was answered is kept: run again`)
    if (code === 'content_filter') return unpaid('content_filter', `the provider’s content filter: ${detail}`)
    const seconds = retryAfterMs(error.headers) / 1000
    const waited =
      seconds * 1000 > retryWaitMsMax
        ? `${detail}; it asks to wait ${seconds} s`
        : `after ${this.attemptsMax} attempts: ${detail}`
    if (status === 429) return unpaid('rate_limited', waited)
    if (status !== undefined && status >= 500) return unpaid('server_error', waited)
    return unpaid('rejected', detail)
  }

  /** The SDK ends its own watch when headers have come; a body that stalls is ended here. */
  async #body(request: ChatRequest, stop: AbortController): Promise<{ body: string }> {
    const response = await this.sdk.chat.completions
      .create(
        { ...request, messages: [...request.messages] } as OpenAI.ChatCompletionCreateParamsNonStreaming,
        {
          signal: stop.signal,
        },
      )
      .asResponse()
    const timer = setTimeout(() => stop.abort(), this.#settings.timeoutMs)
    try {
      return { body: await response.text() }
    } catch (error) {
      if (stop.signal.aborted) throw new APIConnectionTimeoutError()
      throw new APIConnectionError({ message: messageOf(error) })
    } finally {
      clearTimeout(timer)
    }
  }

  /** What an error says, on one line, and never the key. */
  failureText(error: unknown): string {
    return oneLine(messageOf(error).replaceAll(this.#settings.apiKey, '(key)'))
  }
}

/** The SDK sleeps for as long as Retry-After says, be it a day; too long a wait is told to it as not to be retried. */
async function fetchImpatiently(...args: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(...args)
  if (retryAfterMs(response.headers) <= retryWaitMsMax) return response
  const headers = new Headers(response.headers)
  headers.set('x-should-retry', 'false')
  return new Response(response.body, { status: response.status, headers })
}

/** The wait that Retry-After asks for, ms; 0 for none. */
function retryAfterMs(headers: Headers | undefined): number {
  const text = headers?.get('retry-after')
  if (text == null) return 0
  const seconds = Number(text)
  return Number.isFinite(seconds) ? seconds * 1000 : Math.max(0, Date.parse(text) - Date.now()) || 0
}

function unpaid(reason: Failure['reason'], detail: string): Failure {
  return { reason, detail, paid: false }
}
