// Labeller that needs nothing: the words of a persona found among the titles that a shopper bought.
import type { PersonaDefinition } from '../core/prototype.ts'
import {
  type BasketLine,
  freeEstimate,
  type Labeller,
  type Labelling,
  personasPerShopperMax,
  type Shopper,
} from './port.ts'
import { hasPhrase, tellingWords, wordsOf } from './words.ts'

/** A keyword counts whole; a word of name or description this much, shared among the personas that have it. */
const descriptionWeight = 0.25
/** A persona with less of the evidence is not named, unless it has the most. */
const shareMin = 0.1
/** A keyword in a title is 1: less than this is no evidence. */
const evidenceMin = 0.5

/** What speaks for a persona. */
type Term = { readonly text: string; readonly words: readonly string[]; readonly weight: number }

/**
 * Each title gives to each persona the weight of its best matching term, times 1 + ln(times); the shares of a persona in
 * all that was given are its probability. Unrepresentable when next to nothing matches.
 */
export function keywordLabeller(personas: readonly PersonaDefinition[]): Labeller {
  const terms = termsOf(personas)
  return {
    name: 'keyword',
    async *label(shoppers) {
      for (const shopper of shoppers)
        yield { kind: 'labelled', labelling: labellingOf(shopper, { personas, terms }) }
    },
    estimate: freeEstimate,
  }
}

/** How much a product counts: bought a hundred times it says more than once, and not a hundred times more. */
export function weightOf({ times }: BasketLine): number {
  return 1 + Math.log(times)
}

function labellingOf(
  { userId, basket }: Shopper,
  { personas, terms }: { personas: readonly PersonaDefinition[]; terms: readonly (readonly Term[])[] },
): Labelling {
  const lines = basket.map((line) => ({ words: wordsOf(line.title), weight: weightOf(line) }))
  const found = terms.map((own) => evidenceOf(lines, own))
  const total = found.reduce((sum, { evidence }) => sum + evidence, 0)
  const named = found
    .map(({ evidence, hits }, i) => ({ name: personas[i]!.name, share: evidence / total, hits }))
    .sort((a, b) => b.share - a.share)
    .filter(({ share }, rank) => rank === 0 || share >= shareMin)
    .slice(0, personasPerShopperMax)
  if (total < evidenceMin)
    return {
      userId,
      personas: 'unrepresentable',
      rationale: `no persona's words stand in ${basket.length} titles`,
      labeller: 'keyword',
    }
  return {
    userId,
    personas: Object.fromEntries(named.map(({ name, share }) => [name, share])),
    rationale: named.map(({ name, hits }) => `${name}: ${hitsText(hits)}`).join('; '),
    labeller: 'keyword',
  }
}

function evidenceOf(
  lines: readonly { words: readonly string[]; weight: number }[],
  terms: readonly Term[],
): { evidence: number; hits: Map<string, number> } {
  const hits = new Map<string, number>()
  let evidence = 0
  for (const { words, weight } of lines) {
    const best = terms.find((term) => hasPhrase(words, term.words)) // heaviest first
    if (best === undefined) continue
    evidence += best.weight * weight
    hits.set(best.text, (hits.get(best.text) ?? 0) + 1)
  }
  return { evidence, hits }
}

function hitsText(hits: ReadonlyMap<string, number>): string {
  const most = [...hits].sort((a, b) => b[1] - a[1]).slice(0, 5)
  return most
    .map(([word, titles]) => `“${word}” in ${titles} ${titles === 1 ? 'title' : 'titles'}`)
    .join(', ')
}

/** Terms of each persona, heaviest first. */
function termsOf(personas: readonly PersonaDefinition[]): Term[][] {
  const described = personas.map(({ name, description = '' }) => tellingWords(`${name} ${description}`))
  const owners = new Map<string, number>()
  for (const word of described.flat()) owners.set(word, (owners.get(word) ?? 0) + 1)
  return personas.map(({ keywords = [] }, i) => {
    const terms = keywords.map((text) => ({ text, words: wordsOf(text), weight: 1 }))
    for (const word of described[i]!)
      terms.push({ text: word, words: [word], weight: descriptionWeight / owners.get(word)! })
    return terms.filter(({ words }) => words.length > 0).sort((a, b) => b.weight - a.weight)
  })
}
