// A purchase history as text for a language model: "TITLE, n times; …" within a token budget.
import type { BasketLine } from './port.ts'

/** UTF-16 units of one title: a title that is an essay must not take the basket's room. */
const titleUnitsMax = 160

/**
 * Tokens of a text, estimated on the high side: a third of its bytes. Tokenizers of today make about four bytes of
 * English and one character (three bytes) of Chinese into a token. A tokenizer would be exact for one family of models
 * and two megabytes; where never too low is what counts (`--max-cost`), every byte is a token.
 */
export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3)
}

/**
 * The basket within `tokenBudget` (by `tokensOf`): the most bought and the most recent in turn, the most bought first, each
 * once; what does not fit is left out and counted at the end.
 */
export function basketText(basket: readonly BasketLine[], tokenBudget: number): string {
  const ordered = interleaved(basket)
  const whole = ordered.map(itemText).join('; ')
  if (tokensOf(whole) <= tokenBudget) return whole
  const room = tokenBudget * 3 - Buffer.byteLength(restText(basket.length))
  const items: string[] = []
  let bytes = 0
  for (const line of ordered) {
    const item = itemText(line)
    const more = Buffer.byteLength(item) + (items.length === 0 ? 0 : 2)
    if (bytes + more > room) continue // a shorter one may still fit
    items.push(item)
    bytes += more
  }
  if (items.length === 0) return cutToBytes(itemText(ordered[0]!), room) + restText(basket.length - 1)
  return items.join('; ') + restText(basket.length - items.length)
}

/** Most bought first, then most recent, then the next of each, without repeating. */
export function interleaved(basket: readonly BasketLine[]): BasketLine[] {
  const byTimes = [...basket].sort((a, b) => b.times - a.times || b.lastTs - a.lastTs || byTitle(a, b))
  const byTime = [...basket].sort((a, b) => b.lastTs - a.lastTs || b.times - a.times || byTitle(a, b))
  const ordered = new Set<BasketLine>()
  for (const [i, line] of byTimes.entries()) ordered.add(line).add(byTime[i]!)
  return [...ordered]
}

function itemText({ title, times }: BasketLine): string {
  const clean = title.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
  const short = clean.length > titleUnitsMax ? `${clean.slice(0, titleUnitsMax).toWellFormed()}…` : clean
  return times === 1 ? `${short}, once` : `${short}, ${times} times`
}

/** The beginning of a text within some bytes of UTF-8, whole characters. */
function cutToBytes(text: string, bytesMax: number): string {
  let cut = ''
  let bytes = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > bytesMax) break
    cut += character
  }
  return cut
}

function restText(products: number): string {
  return `; and ${products} more products`
}

function byTitle(a: BasketLine, b: BasketLine): number {
  return a.title < b.title ? -1 : a.title > b.title ? 1 : 0
}
