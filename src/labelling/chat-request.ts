// A request to a chat model: what is sent, the hash it is cached by, and the tokens it can take.
import { createHash } from 'node:crypto'
import { zodResponseFormat } from 'openai/helpers/zod'
import type { ZodType } from 'zod'
import { tokensOf } from './basket.ts'

export type ChatMessage = { readonly role: 'system' | 'user'; readonly content: string }

/** Sent as it stands, and all that an answer depends on. No temperature: reasoning models refuse one. */
export type ChatRequest = {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly response_format: object
  readonly max_completion_tokens: number
}

/** Strict structured output: an object of these fields and no others. */
export function answerFormat(name: string, schema: ZodType): object {
  return zodResponseFormat(schema, name)
}

/** Key of the cache: the same request to the same API, whoever it is about. */
export function keyOf(request: ChatRequest, baseUrl: string): string {
  return createHash('sha256').update(JSON.stringify({ baseUrl, request })).digest('hex')
}

/** Tokens that providers add to a message and to a request for their own framing. */
const framingTokens = 20

/** Tokens read: about, and at the most (a token is at least a byte). */
export function tokensInOf(request: ChatRequest): { about: number; most: number } {
  const text = JSON.stringify([request.messages, request.response_format])
  return { about: tokensOf(text) + framingTokens, most: Buffer.byteLength(text) + framingTokens }
}
