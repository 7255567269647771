// What a chat completion said, reduced to what is paid for and kept; every reading of it is a pure function.
import type { Failure } from './port.ts'

/** The one choice of a completion, or why there is none. */
export type Reply = {
  readonly content: string | null
  readonly refusal: string | null
  readonly finish: string | null
  /** `body`: not a chat completion at all, with its beginning in `content`; `choices`: it has none. */
  readonly lacks?: 'body' | 'choices'
}

/** Tokens as the provider counted them, or `estimated` by us where it did not say. */
export type Usage = { readonly tokensIn: number; readonly tokensOut: number; readonly estimated?: true }

const unreadableKept = 2000

/** Reads the body of an answered request, whatever it is. */
export function replyOf(body: string): { reply: Reply; usage: Usage | undefined } {
  const value = parsed(body) as Completion | null | undefined
  if (typeof value !== 'object' || value === null || !Array.isArray(value.choices))
    return { reply: { ...nothing, content: body.slice(0, unreadableKept), lacks: 'body' }, usage: undefined }
  const usage = usageOf(value.usage)
  const choice = value.choices[0]
  if (choice === undefined) return { reply: { ...nothing, lacks: 'choices' }, usage }
  return {
    reply: {
      content: textOrNull(choice.message?.content),
      refusal: textOrNull(choice.message?.refusal),
      finish: textOrNull(choice.finish_reason),
    },
    usage,
  }
}

/** The JSON that a reply carries, or why it carries none. */
export function valueIn(reply: Reply): { value: unknown } | Failure {
  if (reply.lacks === 'body') return paid('malformed', 'the answer is not a chat completion')
  if (reply.lacks === 'choices') return paid('no_choices', 'the answer has no choices')
  if (reply.refusal !== null) return paid('refusal', `the model refused: ${oneLine(reply.refusal)}`)
  if (reply.finish === 'length')
    return paid('cut_off', 'the answer was cut off: raise KINDRED_LABEL_ANSWER_TOKENS')
  if (reply.finish === 'content_filter')
    return paid('content_filter', 'the provider’s content filter took the answer')
  const value = parsed(reply.content ?? '')
  return value === undefined
    ? paid('malformed', `the answer is not JSON: ${oneLine(reply.content ?? '(nothing)')}`)
    : { value }
}

/** A failure of an answer that was paid for. */
export function paid(reason: Failure['reason'], detail: string): Failure {
  return { reason, detail, paid: true }
}

/** The beginning of a text that somebody else wrote, for a message. */
export function oneLine(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length > 120 ? `${line.slice(0, 120).toWellFormed()}…` : line
}

type Completion = {
  choices?: { message?: { content?: unknown; refusal?: unknown }; finish_reason?: unknown }[]
  usage?: { prompt_tokens?: unknown; completion_tokens?: unknown }
}

const nothing: Reply = { content: null, refusal: null, finish: null }

function usageOf(usage: Completion['usage']): Usage | undefined {
  const { prompt_tokens: tokensIn, completion_tokens: tokensOut } = usage ?? {}
  return typeof tokensIn === 'number' && typeof tokensOut === 'number' ? { tokensIn, tokensOut } : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
