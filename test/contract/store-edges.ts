// Contract of the store: edges, and the slot lists of both sides against a plain array model of swap-with-last.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { type Edge, edgeWeightMaxOf } from '../../src/core/edge.ts'
import type { ProductIndex, UserIndex } from '../../src/core/ids.ts'
import { interactionCountMax, netQuantityMax, tsMax } from '../../src/core/limits.ts'
import { newNeighbours, type Store, type StoreReader, type StoreWriter } from '../../src/store/port.ts'
import * as fx from './store-fixtures.ts'
import { SlotModel, type Step } from './store-slot-model.ts'

const edgeWeightMax = edgeWeightMaxOf('sum')

export function edgeCases(open: fx.OpenStore): void {
  const holds = fx.casesOf(open)

  holds('keeps edges exactly, live or not, and lists a user’s by product', (store) => {
    const { users, products } = fx.addNodes(store, { users: 2, products: 5 })
    const edges: Edge[] = [
      {
        net: netQuantityMax,
        views: interactionCountMax,
        carts: 0,
        reviews: 1,
        firstTs: 0,
        lastTs: tsMax - 1,
      },
      { net: -netQuantityMax, views: 0, carts: interactionCountMax, reviews: 0, firstTs: 1, lastTs: 1 },
      { net: 0, views: 1, carts: 0, reviews: interactionCountMax, firstTs: 5, lastTs: 6 },
    ]
    const order = [4, 0, 2]
    store.transact((tx) =>
      edges.forEach((edge, i) => void tx.putEdge(users[1]!, products[order[i]!]!, edge, i === 1 ? 0 : 300)),
    )
    return (again) => {
      edges.forEach(
        (edge, i) => void assert.deepEqual({ ...again.edge(users[1]!, products[order[i]!]!) }, edge),
      )
      const listed = [...again.edgesOf(users[1]!)].map(({ product, edge }) => [product, { ...edge }])
      assert.deepEqual(listed, [
        [0, edges[1]],
        [2, edges[2]],
        [4, edges[0]],
      ])
      assert.deepEqual([[...again.edgesOf(users[0]!)], again.edge(users[0]!, products[4]!)], [[], undefined])
      assert.deepEqual([again.userDegree(users[1]!), again.counters().edges], [2, 2])
    }
  })

  holds(
    'appends what becomes live, keeps the slot of what stays live, fills a gap with the last',
    (store) => {
      const { users, products } = fx.addNodes(store, { users: 1, products: 5 })
      const user = users[0]!
      const put = (product: number, weight: number) =>
        store.transact((tx) => tx.putEdge(user, products[product]!, fx.edgeOf(1), weight))
      const order = () => fx.productsOf(store, user).map(({ neighbour }) => neighbour)
      for (const product of [0, 1, 2, 3, 4]) put(product, 1000)
      put(1, 300)
      assert.deepEqual(order(), [0, 1, 2, 3, 4])
      put(1, 0)
      assert.deepEqual(order(), [0, 4, 2, 3])
      put(1, 500)
      assert.deepEqual(order(), [0, 4, 2, 3, 1])
      store.transact((tx) => tx.putEdge(user, products[0]!, undefined, 0))
      assert.deepEqual(order(), [1, 4, 2, 3])
      put(3, 0)
      return (again) => {
        assert.deepEqual(fx.productsOf(again, user), [
          { neighbour: 1, weight: 500 },
          { neighbour: 4, weight: 1000 },
          { neighbour: 2, weight: 1000 },
        ])
        assert.deepEqual(fx.buyersOf(again, products[3]!), [])
        assert.equal(again.counters().edges, 3)
      }
    },
  )

  holds('takes no harm from a weight of 0 or a removal where there is no edge', (store) => {
    const { users, products } = fx.addNodes(store, { users: 1, products: 1 })
    store.transact((tx) => {
      tx.putEdge(users[0]!, products[0]!, undefined, 0)
      tx.putEdge(users[0]!, products[0]!, fx.edgeOf(-1), 0)
      tx.putEdge(users[0]!, products[0]!, fx.edgeOf(-2), 0)
    })
    return (again) => {
      assert.deepEqual({ ...again.edge(users[0]!, products[0]!) }, fx.edgeOf(-2))
      assert.deepEqual(
        [again.userDegree(users[0]!), again.productDegree(products[0]!), again.counters().edges],
        [0, 0, 0],
      )
    }
  })

  it('keeps the lists of both sides as the model does, whatever is put, removed or undone', () =>
    fx.withStore(open, async (opened) => {
      fc.assert(
        fc.property(batches(6, 6), (all) => followModel(opened.store, all)),
        { numRuns: 60 },
      )
      await opened.reopen?.()
    }))

  it('keeps lists of more than 1,000 neighbours as the model does', () =>
    fx.withStore(open, async (opened) => {
      const { store } = opened
      const { users, products } = fx.addNodes(store, { users: 1100, products: 1100 })
      const model = new SlotModel()
      store.transact((tx) => fillHubs(tx, model, { users, products }))
      compare(store, model)
      const random = randomHubSteps({ users, products }, 17)
      for (const size of [1, 200, 400, 300, 60]) {
        const steps = random(size)
        fx.undone(store, (tx) => compareAfter(tx, model.copy(), steps))
        compare(store, model)
        store.transact((tx) => compareAfter(tx, model, steps))
      }
      const drain = [...model.listOf('u', 0)].map(({ neighbour }) => ({
        user: 0,
        product: neighbour,
        weight: -1,
      }))
      fx.undone(store, (tx) => compareAfter(tx, model.copy(), drain))
      await fx.holdsNowAndReopened(opened, (again) => compare(again, model))
    }))

  holds('draws an edge by one number of the generator: its slot', (store) => {
    const { users, products } = fx.addNodes(store, { users: 700, products: 2 })
    const hub = products[0]!
    store.transact((tx) => {
      for (const user of users) tx.putEdge(user, hub, fx.edgeOf(1), 300 + (user % 700))
      tx.putEdge(users[0]!, products[1]!, fx.edgeOf(-1), 0)
    })
    return (again) => {
      const drawn = { neighbour: -1, weight: -1 }
      const at = { neighbour: -1, weight: -1 }
      const [one, other] = [fx.randomOf(5), fx.randomOf(5)]
      for (let n = 0; n < 500; n++) {
        assert.equal(again.drawUser(hub, { below: one }, drawn), true)
        again.userAt(hub, other(700), at)
        assert.deepEqual(drawn, at)
        assert.equal(again.drawProduct(drawn.neighbour as UserIndex, { below: one }, drawn), true)
        other(1)
        assert.deepEqual(drawn, { neighbour: hub, weight: at.weight })
      }
      assert.equal(
        again.drawUser(products[1]!, { below: () => assert.fail('nothing to draw') }, drawn),
        false,
      )
      assert.equal(
        again.drawProduct(9_999 as UserIndex, { below: () => assert.fail('nothing to draw') }, drawn),
        false,
      )
    }
  })

  holds('hands out lists that later reads and writes leave alone', (store) => {
    const { users, products } = fx.addNodes(store, { users: 2, products: 2 })
    store.transact((tx) => {
      tx.putEdge(users[0]!, products[0]!, fx.edgeOf(1), 1000)
      tx.putEdge(users[1]!, products[1]!, fx.edgeOf(2), 300)
    })
    return (again) => {
      const list = newNeighbours()
      const edge = again.edge(users[0]!, products[0]!)
      again.productsOf(users[0]!, list)
      fx.undone(again, (tx) => {
        tx.putEdge(users[0]!, products[0]!, fx.edgeOf(5), 500)
        assert.deepEqual(fx.productsOf(tx, users[1]!), [{ neighbour: 1, weight: 300 }])
      })
      assert.deepEqual([list.length, list.ids[0], list.weights[0]], [1, 0, 1000])
      assert.deepEqual({ ...edge }, fx.edgeOf(1))
    }
  })

  it('gives reusable memory room, and only the list’s own length', () =>
    fx.withStore(open, async ({ store }) => {
      const { users, products } = fx.addNodes(store, { users: 1, products: 3 })
      store.transact((tx) => {
        for (const product of products) tx.putEdge(users[0]!, product, fx.edgeOf(1), edgeWeightMax)
      })
      const list = { length: 9, ids: new Uint32Array(1), weights: new Uint16Array(1) }
      store.productsOf(users[0]!, list)
      assert.deepEqual([list.length, [...list.ids.subarray(0, 3)]], [3, [0, 1, 2]])
      assert.deepEqual([...list.weights.subarray(0, 3)], [2100, 2100, 2100])
      store.buyersOf(99 as ProductIndex, list)
      assert.equal(list.length, 0)
    }))
}

type Batch = { steps: Step[]; undo: boolean }

function batches(users: number, products: number): fc.Arbitrary<Batch[]> {
  const step = fc.record({
    user: fc.nat({ max: users - 1 }),
    product: fc.nat({ max: products - 1 }),
    weight: fc.constantFrom(-1, 0, 300, 1000, edgeWeightMax),
  })
  return fc.array(fc.record({ steps: fc.array(step, { maxLength: 12 }), undo: fc.boolean() }), {
    maxLength: 8,
  })
}

/** Runs the batches on nodes of their own, the model beside them. */
function followModel(store: Store, all: Batch[]): void {
  const { users, products } = fx.addNodes(store, { users: 6, products: 6 })
  const edgesBefore = store.counters().edges
  const model = new SlotModel()
  for (const { steps, undo } of all) {
    const own = steps.map(({ user, product, weight }) => ({
      user: users[user]!,
      product: products[product]!,
      weight,
    }))
    if (undo) fx.undone(store, (tx) => compareAfter(tx, model.copy(), own))
    else store.transact((tx) => compareAfter(tx, model, own))
    compare(store, model)
    assert.equal(store.counters().edges - edgesBefore, model.live())
  }
}

function compareAfter(tx: StoreWriter, model: SlotModel, steps: Step[]): void {
  for (const step of steps) {
    const edge = step.weight < 0 ? undefined : fx.edgeOf(model.next())
    tx.putEdge(step.user as UserIndex, step.product as ProductIndex, edge, Math.max(0, step.weight))
    model.put(step, edge)
  }
  compare(tx, model)
}

function compare(reader: StoreReader, model: SlotModel): void {
  for (const [side, node, list] of model.lists()) {
    const [whole, bySlot] =
      side === 'u'
        ? [fx.productsOf(reader, node as UserIndex), fx.productsAt(reader, node as UserIndex)]
        : [fx.buyersOf(reader, node as ProductIndex), fx.usersAt(reader, node as ProductIndex)]
    equalEntries(whole, list, `list of ${side}:${node}`)
    equalEntries(bySlot, list, `slots of ${side}:${node}`)
  }
  for (const { user, product, edge } of model.edges())
    assert.deepEqual(reader.edge(user as UserIndex, product as ProductIndex), edge)
}

/** As deepEqual, which would take most of the time of lists this long. */
function equalEntries(actual: fx.Entry[], wanted: fx.Entry[], what: string): void {
  const same = (entry: fx.Entry, slot: number) =>
    entry.neighbour === wanted[slot]!.neighbour && entry.weight === wanted[slot]!.weight
  if (actual.length !== wanted.length || !actual.every(same)) assert.deepEqual(actual, wanted, what)
}

type Nodes = { users: readonly UserIndex[]; products: readonly ProductIndex[] }

/** User 0 has every product, product 0 every user: four chunks each. */
function fillHubs(tx: StoreWriter, model: SlotModel, { users, products }: Nodes): void {
  const steps = [
    ...products.map((product) => ({ user: users[0]!, product, weight: 300 })),
    ...users.slice(1).map((user) => ({ user, product: products[0]!, weight: 1000 })),
  ]
  for (const step of steps) {
    const edge = fx.edgeOf(model.next())
    tx.putEdge(step.user, step.product, edge, step.weight)
    model.put(step, edge)
  }
}

/** More removals than additions, so that lists shrink over the ends of their chunks. */
function randomHubSteps({ users, products }: Nodes, seed: number): (size: number) => Step[] {
  const random = fx.randomOf(seed)
  return (size) =>
    Array.from({ length: size }, () => {
      const weight = [-1, -1, 0, 500][random(4)]!
      return random(2) === 0
        ? { user: users[0]!, product: products[random(products.length)]!, weight }
        : { user: users[random(users.length)]!, product: products[0]!, weight }
    })
}
