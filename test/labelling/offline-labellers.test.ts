// Labellers that need no key, on baskets whose persona is planted.
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { embeddingLabeller, loadMiniLm } from '../../src/labelling/embedding-labeller.ts'
import { keywordLabeller } from '../../src/labelling/keyword-labeller.ts'
import { labelShoppers } from '../../src/labelling/label-shoppers.ts'
import type { Labeller, Labelling } from '../../src/labelling/port.ts'
import { hasPhrase, stemOf, wordsOf } from '../../src/labelling/words.ts'
import { personas, shopperWith } from '../support/labelling.ts'

/** Titles with words of a persona. */
const spelled: Readonly<Record<string, readonly string[]>> = {
  'home baker': ['Cake tins, set of 3', 'ICING SUGAR', 'Non-stick baking sheet'],
  'keen gardener': ['Sunflower Seeds', "Gardener's trowel", 'Plant-pot, terracotta'],
  'new parent': ['Babies first rattle', 'Diapers, 84', 'Nursing pillow'],
}
/** Titles of what a persona buys, in none of its words. */
const meant: Readonly<Record<string, readonly string[]>> = {
  'home baker': ['Muffin tray', 'Bread knife', 'Sourdough proving basket', 'Chocolate chips'],
  'keen gardener': ['Watering can', 'Tomato fertiliser', 'Pruning shears', 'Compost bin'],
  'new parent': ['Pacifier', 'Stroller', 'Infant car seat', 'Crib sheet'],
}

describe('words', () => {
  it('are found in any case, number and accent, and in scripts without spaces', () => {
    for (const [one, other] of [
      ['Babies', 'baby'],
      ['DISHES', 'dish'],
      ['glasses', 'glass'],
      ['Crème', 'creme'],
      ['mugs', 'mug'],
    ] as const)
      assert.deepEqual(wordsOf(one), wordsOf(other), one)
    for (const word of ['glass', 'bus', 'iris', 'gas']) assert.equal(stemOf(word), word)
    assert.ok(hasPhrase(wordsOf('婴儿纸尿裤 84片'), wordsOf('纸尿裤')))
    assert.ok(hasPhrase(wordsOf('A plant-pot of clay'), wordsOf('plant pot')))
    assert.ok(!hasPhrase(wordsOf('pot for a plant'), wordsOf('plant pot')), 'in this order')
    assert.ok(!hasPhrase(wordsOf('cakewalk'), wordsOf('cake')), 'whole words')
    assert.ok(!hasPhrase(wordsOf('cake'), []))
  })
})

describe('the keyword labeller', () => {
  const labeller = keywordLabeller(personas)

  it('finds the persona whose words the titles have, and names them', async () => {
    for (const [persona, titles] of Object.entries(spelled)) {
      const { personas: found, rationale } = await labelOf(labeller, titles)
      assert.equal(bestOf(found), persona)
      assert.match(rationale, new RegExp(`^${persona}: “`))
    }
  })

  it('shares among personas by what speaks for each', async () => {
    const { personas: found, rationale } = await labelOf(labeller, ['Cake tin', 'Icing sugar', 'Baby rattle'])
    assert.ok(found !== 'unrepresentable')
    assert.deepEqual(Object.keys(found), ['home baker', 'new parent'])
    assert.ok(Math.abs(found['home baker']! - 2 / 3) < 1e-9, 'one best word a title')
    assert.match(
      rationale,
      /home baker: “cake” in 1 title, “icing” in 1 title; new parent: “baby” in 1 title/,
    )
  })

  it('counts a hundred of one thing as more than one, and as less than a hundred', async () => {
    const basket = ['Cake tin', 'Baby rattle'].map((title, i) => ({
      title,
      times: i === 0 ? 100 : 1,
      lastTs: 0,
    }))
    const run = await labelShoppers([{ userId: 'u', basket }], { labeller })
    const share = (run.labelled[0]!.personas as Record<string, number>)['home baker']!
    assert.ok(share > 0.75 && share < 0.95, String(share))
  })

  it('names somebody also where everything speaks for everybody alike', async () => {
    const many = Array.from({ length: 20 }, (_, n) => ({ name: `kind ${n}`, keywords: [`word${n}`] }))
    const titles = many.map(({ keywords }) => `A ${keywords[0]}`)
    const { personas: found } = await labelOf(keywordLabeller(many), titles)
    assert.ok(found !== 'unrepresentable' && Object.keys(found).length === 1, JSON.stringify(found))
  })

  it('finds nobody where no word is found', async () => {
    const { personas: found, rationale } = await labelOf(labeller, ['HDMI cable', 'Motor oil'])
    assert.equal(found, 'unrepresentable')
    assert.match(rationale, /no persona's words stand in 2 titles/)
  })
})

describe('the embedding labeller', () => {
  let labeller: Labeller
  let embedded = 0

  before(async () => {
    const { embed, model } = await loadMiniLm()
    const reference = [...Object.values(spelled), ...Object.values(meant)].flat()
    labeller = embeddingLabeller({
      personas,
      reference,
      model,
      embed: (texts) => {
        embedded += texts.length
        return embed(texts)
      },
    })
  })

  it('finds the persona that the titles mean, in none of its words', async () => {
    for (const [persona, titles] of Object.entries(meant)) {
      assert.equal((await labelOf(keywordLabeller(personas), titles)).personas, 'unrepresentable', persona)
      const { personas: found, rationale, labeller: by } = await labelOf(labeller, titles)
      assert.equal(bestOf(found), persona)
      assert.match(by, /^embedding:.*minilm/i)
      assert.match(rationale, new RegExp(`^${persona}: “`))
    }
  })

  it('does not give every basket to a persona that is like the whole shop', async () => {
    const vectors: Record<string, readonly number[]> = {
      everybody: [1, 0, 0],
      somebody: [0, 1, 0],
      usual: [0.8, 0.2, Math.sqrt(0.32)],
      special: [0.8, 0.5, Math.sqrt(0.11)],
    }
    const embed = async (texts: readonly string[]) => texts.map((text) => vectors[text.replace(/:.*/, '')]!)
    const pair = [{ name: 'everybody' }, { name: 'somebody' }]
    const centred = embeddingLabeller({ personas: pair, reference: ['usual'], model: 'fake', embed })
    const bare = embeddingLabeller({ personas: pair, reference: [], model: 'fake', embed })
    assert.equal(bestOf((await labelOf(bare, ['special'])).personas), 'everybody')
    assert.equal(bestOf((await labelOf(centred, ['special'])).personas), 'somebody')
  })

  it('gives a basket of two kinds both personas, and the larger part more', async () => {
    const [bakery, garden] = [meant['home baker']!, meant['keen gardener']!]
    const { personas: found } = await labelOf(labeller, [...bakery, ...garden.slice(0, 2)])
    assert.ok(found !== 'unrepresentable')
    assert.ok(found['home baker']! > found['keen gardener']!, JSON.stringify(found))
    assert.ok(found['keen gardener']! > (found['new parent'] ?? 0), JSON.stringify(found))
  })

  it('finds nobody in what is like no persona', async () => {
    assert.equal((await labelOf(labeller, ['HDMI cable 2 m', 'Motor oil 5W-30'])).personas, 'unrepresentable')
  })

  it('embeds a title once, in whatever case', async () => {
    await labelOf(labeller, ['Brass doorbell'])
    const before = embedded
    await labelOf(labeller, ['BRASS DOORBELL', 'Brass doorbell'])
    assert.equal(embedded, before)
  })
})

async function labelOf(labeller: Labeller, titles: readonly string[]): Promise<Labelling> {
  const run = await labelShoppers([shopperWith('u', titles)], { labeller })
  return [...run.labelled, ...run.unrepresentable][0]!
}

function bestOf(found: Labelling['personas']): string | undefined {
  return found === 'unrepresentable' ? undefined : Object.entries(found).sort((a, b) => b[1] - a[1])[0]![0]
}
