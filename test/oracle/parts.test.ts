/** The oracle's parts by hand: edges, label shares, persona order, the decision; and what the inputs reach. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { crowdSize, recordsArbitrary } from './arbitraries.ts'
import { decide } from './decide.ts'
import { edgeWeight, foldEdges } from './edges.ts'
import { defaultOracleConfig, type OracleEvent, type OracleEventType, type OracleRecord } from './model.ts'
import { labelShares, type OraclePrototypeSet, personaOrder } from './prototypes.ts'
import { OracleStream } from './stream.ts'

const config = defaultOracleConfig

describe('edges', () => {
  it('weigh the largest live type, or each live type once', () => {
    const weights = (...events: OracleEvent[]) => {
      const edge = foldEdges(events).edges.get('u')?.get('p')
      return [edgeWeight(edge, 'once'), edgeWeight(edge, 'sum')]
    }
    assert.deepEqual(weights(), [0, 0])
    assert.deepEqual(weights(event('view', 'a'), event('view', 'b')), [300, 300])
    assert.deepEqual(weights(event('view', 'a'), event('review', 'b')), [300, 600])
    assert.deepEqual(weights(event('view', 'a'), event('cart', 'b'), event('purchase', 'c')), [1000, 1800])
    assert.deepEqual(weights(event('purchase', 'a', 2), event('return', 'b', 1)), [1000, 1000])
    assert.deepEqual(weights(event('purchase', 'a'), event('cart', 'b'), event('return', 'c')), [500, 500])
  })

  it('do not clamp a return, so its order does not matter', () => {
    const records = [event('return', 'a', 5), event('purchase', 'b', 3), event('purchase', 'c', 2)]
    const edge = foldEdges(records).edges.get('u')?.get('p')
    assert.equal(edge?.quantity, 0)
    assert.equal(edgeWeight(edge, 'once'), 0)
  })

  it('forget an erased user, but not that an event was seen', () => {
    const erase: OracleRecord = { kind: 'erase', user_id: 'u' }
    const { edges } = foldEdges([event('purchase', 'a'), erase, event('purchase', 'a'), event('view', 'b')])
    const edge = edges.get('u')?.get('p')
    assert.deepEqual([edge?.quantity, edge?.views], [0, 1])
  })
})

describe('label shares', () => {
  it('sum to 2^20 by largest remainder, ties to the persona that comes first', () => {
    // 2^20 / 3 = 349525.33: one unit is missing, and goes to the first listed, wherever its index is.
    assert.deepEqual(labelShares(['b', 'c', 'a'], ['a', 'b', 'c']), [349526, 349525, 349525])
    assert.deepEqual(
      labelShares({ b: 10, a: 35, c: 55 }, ['a', 'b', 'c']),
      labelShares({ b: 0.1, a: 0.35, c: 0.55 }, ['a', 'b', 'c']),
    )
    // 734003.2 and 314572.8: the unit goes to the larger remainder.
    assert.deepEqual(labelShares({ a: 0.7, b: 0.3 }, ['a', 'b']), [734003, 314573])
    // Normalised first: .25 of 1.25 is a fifth, 209715.2, of 838860.8.
    assert.deepEqual(labelShares({ a: 0.25, b: 1 }, ['a', 'b', 'c']), [209715, 838861, 0])
    assert.deepEqual(labelShares({ a: 1e-9, b: 1 }, ['a', 'b']), [0, 2 ** 20])
    assert.deepEqual(labelShares(['b'], ['a', 'b']), [0, 2 ** 20])
  })

  it('stand in the order of the persona set, or of the names by code unit', () => {
    const labels = [{ user_id: 'u', personas: ['\uFF5E', 'b', '😀', 'B'] }]
    assert.deepEqual(personaOrder({ kind: 'import', labels }), ['B', 'b', '😀', '\uFF5E'])
    const personas = ['b', '\uFF5E', 'B', '😀', 'x'].map((name) => ({ name, description: '' }))
    const order = personaOrder({ kind: 'import', labels, personaSet: { version: '1', personas } })
    assert.deepEqual(order, ['b', '\uFF5E', 'B', '😀', 'x'])
  })
})

describe('decision', () => {
  const set: OraclePrototypeSet = {
    personas: ['a', 'b', 'c', 'd', 'e'],
    shares: new Map(),
    prior: [0.2, 0.2, 0.2, 0.2, 0.2],
    carried: [true, true, true, true, true],
    content: '',
  }
  /** `hundredths` sum to 100: q in percent; W = 1000 gives z = 10^9 / (1000 * 2^24) = .0596. */
  const held = (hundredths: number[], ...heldBefore: string[]) => {
    const score = { W: 1000, S: hundredths.map((entry) => entry * 10 ** 7) }
    return decide({ score, heldBefore, set, config }).held
  }

  it('enters by rank 3 and floor', () => {
    assert.deepEqual(held([30, 25, 20, 15, 10]), ['a', 'b', 'c'])
    assert.deepEqual(held([10, 15, 20, 25, 30]), ['e', 'd', 'c'])
    assert.deepEqual(held([85, 8, 7, 0, 0]), ['a', 'b'])
    assert.deepEqual(held([20, 20, 20, 20, 20]), ['a', 'b', 'c'])
  })

  it('leaves behind rank 4 or below floor - margin', () => {
    assert.deepEqual(held([30, 25, 20, 15, 10], 'd', 'e'), ['a', 'b', 'c', 'd'])
    assert.deepEqual(held([20, 20, 20, 20, 20], 'd', 'e'), ['a', 'b', 'c', 'd'])
    assert.deepEqual(held([86, 7, 7, 0, 0], 'c'), ['a', 'c'])
    assert.deepEqual(held([89, 6, 5, 0, 0], 'b', 'c'), ['a', 'b'])
  })

  it('never holds what no prototype carries', () => {
    const uncarried = { ...set, carried: [false, true, true, true, true] }
    const score = { W: 1000, S: [30, 25, 20, 15, 10].map((entry) => entry * 10 ** 7) }
    const { held, primary } = decide({ score, heldBefore: ['a'], set: uncarried, config })
    assert.deepEqual([held, primary], [['b', 'c'], 'b'])
  })
})

describe('the arbitraries', () => {
  it('reach what they are there for', () => {
    const reached = new Map<string, number>()
    const reach = (what: string, count: number) => reached.set(what, (reached.get(what) ?? 0) + count)
    for (const records of fc.sample(recordsArbitrary(), { numRuns: 200, seed: 1 })) {
      assert.ok(records.length >= 10 && records.length <= 120, `${records.length} records`)
      observe(records, reach)
    }
    for (const records of fc.sample(recordsArbitrary(crowdSize), { numRuns: 10, seed: 1 })) {
      observe(records, reach)
    }
    const wanted = [
      'duplicate',
      'prototype erased',
      'erased user back',
      'import at 0',
      'import of the same content',
      'import that exits',
      'prototype demoted',
      'b moved, not published',
      'burst of two or more',
      'exit',
      'inferred to unknown',
      'negative net quantity',
    ]
    for (const what of wanted) assert.ok((reached.get(what) ?? 0) > 5, `${what}: ${reached.get(what) ?? 0}`)
  })
})

function observe(records: readonly OracleRecord[], reach: (what: string, count: number) => void): void {
  const stream = new OracleStream()
  const seen = new Set<string>()
  const erased = new Set<string>()
  records.forEach((record, position) => {
    const before = stream.state()
    const set = stream.set
    const { changes, published, rewalks } = stream.apply(record)
    const statusBefore = (user: string) => before.users.get(user)?.status
    if (record.kind === 'event') {
      const isDuplicate = seen.has(record.event_id)
      seen.add(record.event_id)
      reach('duplicate', Number(isDuplicate))
      reach('erased user back', Number(!isDuplicate && erased.delete(record.user_id)))
      const after = stream.state().products.get(record.product_id)
      const M = before.products.get(record.product_id)?.M ?? 0
      const hasMoved = after !== undefined && after.M !== M
      reach('b moved, not published', Number(hasMoved && published.size === 0))
      reach('burst of two or more', Number(rewalks.size > 1))
    }
    if (record.kind === 'import') {
      reach('import at 0', Number(position === 0))
      reach('import of the same content', Number(stream.set === set))
      reach('import that exits', changes.filter((change) => change.exited.length > 0).length)
      const demoted = changes.filter((change) => statusBefore(change.user_id) === 'prototype')
      reach('prototype demoted', demoted.filter((change) => change.status !== 'prototype').length)
    }
    if (record.kind === 'erase') {
      erased.add(record.user_id)
      reach('prototype erased', Number(statusBefore(record.user_id) === 'prototype'))
    }
    reach('exit', changes.filter((change) => change.exited.length > 0).length)
    const lost = changes.filter((change) => statusBefore(change.user_id) === 'inferred')
    reach('inferred to unknown', lost.filter((change) => change.status === 'unknown').length)
  })
  const edges = [...stream.edges.values()].flatMap((userEdges) => [...userEdges.values()])
  reach('negative net quantity', edges.filter((edge) => edge.quantity < 0).length)
}

function event(type: OracleEventType, event_id: string, quantity?: number): OracleEvent {
  const ts = '2024-05-01T10:00:00Z'
  const count = quantity === undefined ? {} : { quantity }
  return { kind: 'event', event_id, user_id: 'u', product_id: 'p', type, ts, ...count }
}
