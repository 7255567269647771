// The contract of the labeller's port, run by each labeller.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { embeddingLabeller, loadMiniLm } from '../../src/labelling/embedding-labeller.ts'
import { keywordLabeller } from '../../src/labelling/keyword-labeller.ts'
import { labelShoppers } from '../../src/labelling/label-shoppers.ts'
import { type Labeller, personasPerShopperMax } from '../../src/labelling/port.ts'
import { personas, shopperWith, someShoppers, withBench } from '../support/labelling.ts'

type Use = (labeller: Labeller) => Promise<void>

const labellers: Readonly<Record<string, (use: Use) => Promise<void>>> = {
  keyword: (use) => use(keywordLabeller(personas)),
  embedding: async (use) =>
    use(
      embeddingLabeller({
        personas,
        reference: ['Cake tin', 'Garden trowel', 'Baby bottle'],
        ...(await loadMiniLm()),
      }),
    ),
  'openai, live': (use) => withBench((bench) => bench.run({}, ({ labeller }) => use(labeller))),
  'openai, batch': (use) => withBench((bench) => bench.run({ batch: true }, ({ labeller }) => use(labeller))),
}

const shoppers = [
  ...someShoppers(3),
  shopperWith('odd', ['\u0000', '👶🏽'.repeat(40), 'x'.repeat(3000), '"]}; DROP', '纸尿裤']),
  shopperWith('__proto__', ['Baby rattle']),
  { userId: 'wholesaler', basket: [{ title: 'Garden seeds', times: 1_000_000_000, lastTs: 0 }] },
]

for (const [name, withLabeller] of Object.entries(labellers))
  describe(`a labeller: ${name}`, () => {
    it('gives every shopper one result, of the set, with a reason and its name', () =>
      withLabeller(async (labeller) => {
        const estimate = labeller.estimate(shoppers)
        assert.equal(estimate.shoppers, shoppers.length)
        assert.equal(estimate.calls > 0, name.startsWith('openai'))
        const names = new Set<string>(personas.map((persona) => persona.name))
        const seen: string[] = []
        for await (const result of labeller.label(shoppers)) {
          assert.ok(result.kind === 'labelled', JSON.stringify(result))
          const { userId, personas: given, rationale, labeller: by } = result.labelling
          seen.push(userId)
          assert.equal(by, labeller.name)
          assert.ok(rationale.trim().length > 0)
          if (given === 'unrepresentable') continue
          const entries = Object.entries(given)
          assert.ok(entries.length >= 1 && entries.length <= personasPerShopperMax)
          for (const [persona, probability] of entries) {
            assert.ok(names.has(persona), persona)
            assert.ok(probability > 0 && probability <= 1, String(probability))
          }
        }
        assert.deepEqual(seen.sort(), shoppers.map(({ userId }) => userId).sort())
      }))

    it('says the same again, alone or among others, and nothing of nobody', () =>
      withLabeller(async (labeller) => {
        const all = await labelShoppers(shoppers, { labeller })
        const alone = await labelShoppers(shoppers.slice(1, 2), { labeller })
        const found = [...all.labelled, ...all.unrepresentable].find(({ userId }) => userId === 'u1')
        assert.deepEqual([...alone.labelled, ...alone.unrepresentable], [found])
        const none = await labelShoppers([], { labeller })
        assert.deepEqual(none, { labelled: [], unrepresentable: [], failed: [], notSent: [] })
      }))
  })
