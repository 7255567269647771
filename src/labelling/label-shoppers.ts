// Labelling a list of shoppers by any labeller: every shopper accounted for, results in the order they were given.
import { assert } from '../core/assert.ts'
import type { Failure, Labeller, Labelling, LabelResult, Shopper } from './port.ts'

export type LabelledRun = {
  /** Shoppers with personas. */
  readonly labelled: readonly Labelling[]
  /** Shoppers that no persona describes. */
  readonly unrepresentable: readonly Labelling[]
  readonly failed: readonly ({ readonly userId: string } & Failure)[]
  /** Users not asked about for the cost limit. */
  readonly notSent: readonly string[]
}

export type LabelShoppersOptions = {
  readonly labeller: Labeller
  /** Called as results come, in any order. */
  readonly onResult?: (result: LabelResult) => void
}

/**
 * Labels shoppers; may be called in rounds with one labeller, whose cache, ledger and cost limit go on. A shopper
 * without purchases is unrepresentable and asked nobody about. Throws what the labeller throws (FatalError); what was
 * answered before is kept by it.
 */
export async function labelShoppers(
  shoppers: readonly Shopper[],
  { labeller, onResult }: LabelShoppersOptions,
): Promise<LabelledRun> {
  const results = new Map<string, LabelResult>()
  const take = (result: LabelResult) => {
    const userId = result.kind === 'labelled' ? result.labelling.userId : result.userId
    assert(!results.has(userId), 'a labeller gives one result a shopper')
    results.set(userId, result)
    onResult?.(result)
  }
  for (const { userId, basket } of shoppers)
    if (basket.length === 0) take({ kind: 'labelled', labelling: nothingBought(userId, labeller.name) })
  const asked = shoppers.filter(({ basket }) => basket.length > 0)
  for await (const result of labeller.label(asked)) take(result)
  assert(results.size === shoppers.length, 'a labeller gives a result for every shopper')
  const ordered = shoppers.map(({ userId }) => results.get(userId)!)
  const labellings = ordered.flatMap((result) => (result.kind === 'labelled' ? [result.labelling] : []))
  return {
    labelled: labellings.filter(({ personas }) => personas !== 'unrepresentable'),
    unrepresentable: labellings.filter(({ personas }) => personas === 'unrepresentable'),
    failed: ordered.flatMap((result) => (result.kind === 'failed' ? [result] : [])),
    notSent: ordered.flatMap((result) => (result.kind === 'not_sent' ? [result.userId] : [])),
  }
}

function nothingBought(userId: string, labeller: string): Labelling {
  return { userId, personas: 'unrepresentable', rationale: 'nothing was bought', labeller }
}
