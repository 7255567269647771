// The part of the configuration that is about labelling.
import { z } from 'zod'

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const text = () => z.string().trim().default('')
/** USD per million tokens, as text so that empty means that none is given. */
const price = () =>
  text().refine(
    (value) => value === '' || (Number.isFinite(Number(value)) && Number(value) >= 0),
    'is a number from 0, USD per million tokens',
  )

export const labellingSettings = {
  openaiApiKey: text().describe('key for an OpenAI-compatible API; empty: OPENAI_API_KEY'),
  labelBaseUrl: z
    .string()
    .trim()
    .default('https://api.openai.com/v1')
    .refine((value) => /^https?:\/\/./.test(value) && URL.canParse(value), 'is an http or https URL')
    .describe('base URL of the OpenAI-compatible API that labels'),
  labelModel: z.string().trim().min(1).default('gpt-4o-mini').describe('model that labels'),
  labelPriceIn: price().describe('USD per million tokens read; empty: the default of a well-known model'),
  labelPriceOut: price().describe('USD per million tokens written; empty: the default of a well-known model'),
  labelConcurrency: whole(1, 64).default(4).describe('calls to the API at a time'),
  labelTimeoutMs: whole(1, 3_600_000).default(120_000).describe('how long an answer may take, ms'),
  labelRetries: whole(0, 10).default(4).describe('retries of a call after 429, 5xx or a time-out'),
  labelTokenBudget: whole(50, 100_000).default(1000).describe('tokens of one purchase history'),
  labelAnswerTokens: whole(50, 100_000).default(2000).describe('tokens of one answer at the most'),
  labelBatchPollMs: whole(1, 3_600_000).default(30_000).describe('how often a batch is looked after, ms'),
} as const
