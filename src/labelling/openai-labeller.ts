// Labeller on any OpenAI-compatible API, one call a purchase history, some at a time.
import type { PersonaDefinition } from '../core/prototype.ts'
import { tokensInOf } from './chat-request.ts'
import { costOf } from './cost.ts'
import { type LabelAnswer, labelQuestion, labelRequest, readLabel, shopperNameOf } from './label-prompt.ts'
import { runBatches } from './openai-batch.ts'
import type { Answered, PaidCalls, PaidRequest } from './paid-calls.ts'
import { inParallel } from './parallel.ts'
import type { Estimate, Labeller, LabelResult, Shopper } from './port.ts'

export type OpenAiLabellerOptions = {
  readonly calls: PaidCalls
  readonly personas: readonly PersonaDefinition[]
  readonly tokenBudget: number
  readonly answerTokensMax: number
  readonly concurrency: number
  /** Through the batch API: cheaper, and done within a day. */
  readonly batch?: { readonly pollMs: number; readonly onState: (state: string) => void } | undefined
}

/** Tokens that an answer has about: a rationale, and some personas. */
const answerTokens = 200

/** Shoppers of one basket, about whom one question is asked. */
type Group = { readonly shoppers: Shopper[]; readonly paidRequest: PaidRequest<LabelAnswer> }

export function openAiLabeller(options: OpenAiLabellerOptions): Labeller {
  const { calls, concurrency, batch } = options
  const name = `openai:${calls.options.model}`
  return {
    name,
    async *label(shoppers) {
      const groups = groupsOf(shoppers, options)
      const answers =
        batch === undefined
          ? inParallel(groups, {
              limit: concurrency,
              work: async (group) => ({ item: group, answer: await calls.ask(group.paidRequest) }),
            })
          : runBatches<LabelAnswer, Group>(groups, { calls, ...batch })
      for await (const { item, answer } of answers)
        for (const { userId } of item.shoppers) yield resultOf(answer, { userId, labeller: name })
    },
    estimate: (shoppers) => estimateOf(groupsOf(shoppers, options), { calls, shoppers: shoppers.length }),
  }
}

function groupsOf(
  shoppers: readonly Shopper[],
  { calls, personas, tokenBudget, answerTokensMax }: OpenAiLabellerOptions,
): Group[] {
  const question = labelQuestion({ model: calls.options.model, personas, tokenBudget, answerTokensMax })
  const groups = new Map<string, { shopper: Shopper; shoppers: Shopper[] }>()
  for (const shopper of shoppers) {
    if (shopper.basket.length === 0) continue
    const name = shopperNameOf(shopper, question)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, { shopper, shoppers: [shopper] })
    else group.shoppers.push(shopper)
  }
  return [...groups].map(([name, { shopper, shoppers: alike }]) => ({
    shoppers: alike,
    paidRequest: calls.prepare({
      request: labelRequest(shopper, question),
      users: alike.map(({ userId }) => userId),
      read: (reply) => readLabel(reply, { name, personas }),
    }),
  }))
}

function resultOf(
  answer: Answered<LabelAnswer>,
  { userId, labeller }: { userId: string; labeller: string },
): LabelResult {
  if (answer === 'not_sent') return { kind: 'not_sent', userId }
  if ('reason' in answer) return { kind: 'failed', userId, ...answer }
  return { kind: 'labelled', labelling: { userId, ...answer.value, labeller } }
}

function estimateOf(
  groups: readonly Group[],
  { calls, shoppers }: { calls: PaidCalls; shoppers: number },
): Estimate {
  const open = groups.filter(({ paidRequest }) => calls.peek(paidRequest) === undefined)
  const about = { tokensIn: 0, tokensOut: 0 }
  const most = { tokensIn: 0, tokensOut: 0 }
  for (const { paidRequest } of open) {
    const tokens = tokensInOf(paidRequest.request)
    about.tokensIn += tokens.about
    about.tokensOut += answerTokens
    most.tokensIn += tokens.most
    most.tokensOut += paidRequest.request.max_completion_tokens
  }
  const { prices } = calls.options
  return {
    shoppers,
    cached: groups.length - open.length,
    calls: open.length,
    ...about,
    costUsd: costOf(about, prices),
    costUsdMax: costOf(most, prices),
  }
}
