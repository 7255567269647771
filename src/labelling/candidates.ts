// Candidates for a label, read from a store: who has bought enough, and what the walk to the prototypes so far says of them.
import { edgeWeightMin } from '../core/edge.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import { hashOrdered } from '../core/shuffle.ts'
import { newNeighbours, type StoreReader } from '../store/port.ts'
import { type Candidate, chooseRound, type SamplingMethod } from './sampling.ts'

/** Labels so far by user id: persona weights of any scale, by persona name. */
export type LabelsSoFar = ReadonlyMap<string, Readonly<Record<string, number>>>

export type SampleOptions = {
  readonly method: SamplingMethod
  readonly seed: number
  readonly purchasesMin: number
  /** Weight of the virtual prior buyer, thousandths. */
  readonly kappa: number
}

export type Sample = {
  readonly users: readonly { readonly userId: string; readonly purchases: number }[]
  /** Users who might have been chosen. */
  readonly candidates: number
}

/** The users of one round, `count` at the most, by the labels of the rounds before. */
export function sampleRound(
  store: StoreReader,
  {
    labels,
    taken,
    count,
    ...options
  }: SampleOptions & {
    readonly labels: LabelsSoFar
    /** Users who are labelled already, held out, or were asked about in vain. */
    readonly taken: ReadonlySet<string>
    readonly count: number
  },
): Sample {
  const personas = [...new Set([...labels.values()].flatMap((label) => Object.keys(label)))].sort()
  const vectors = new Vectors(store, { labels, personas, kappa: options.kappa })
  const candidates: Candidate[] = []
  const walks = options.method === 'du' && labels.size > 0
  for (const user of store.users()) {
    const purchases = store.userDegree(user)
    if (purchases < options.purchasesMin) continue
    const { userId } = store.user(user)!
    if (taken.has(userId)) continue
    candidates.push({ userId, purchases, q: walks ? vectors.walk(user) : undefined })
  }
  const users = chooseRound(candidates, {
    method: options.method,
    seed: options.seed,
    count,
    labelled: { distribution: vectors.prior, prototypes: labels.size },
  })
  return { users, candidates: candidates.length }
}

/** Users who are labelled and held out: at random among all who may be chosen, so that they stand for everybody. */
export function sampleHeldOut(
  store: StoreReader,
  { count, seed, purchasesMin }: { count: number; seed: number; purchasesMin: number },
): Sample {
  const users = [...store.users()]
    .map((user) => ({ userId: store.user(user)!.userId as string, purchases: store.userDegree(user) }))
    .filter(({ purchases }) => purchases >= purchasesMin)
  return { users: hashOrdered(users, ~seed).slice(0, count), candidates: users.length }
}

/** B(p) and M(p) of the labels so far, and walks over them (DESIGN §1). */
class Vectors {
  readonly prior: Float64Array
  readonly #store: StoreReader
  readonly #kappa: number
  readonly #sums = new Map<ProductIndex, { mass: number; b: Float64Array }>()
  readonly #neighbours = newNeighbours()

  constructor(
    store: StoreReader,
    { labels, personas, kappa }: { labels: LabelsSoFar; personas: readonly string[]; kappa: number },
  ) {
    this.#store = store
    this.#kappa = kappa
    this.prior = new Float64Array(personas.length)
    for (const [userId, label] of labels) {
      const total = Object.values(label).reduce((sum, weight) => sum + weight, 0)
      const shares = Float64Array.from(personas, (name) => (label[name] ?? 0) / total)
      for (let c = 0; c < shares.length; c++) this.prior[c]! += shares[c]! / labels.size
      const user = store.userIndexOf(userId)
      if (user !== undefined) this.#add(user, shares)
    }
  }

  #add(user: UserIndex, shares: Float64Array): void {
    this.#store.productsOf(user, this.#neighbours)
    for (let i = 0; i < this.#neighbours.length; i++) {
      const product = this.#neighbours.ids[i] as ProductIndex
      const weight = this.#neighbours.weights[i]!
      const sum = this.#sums.get(product) ?? { mass: 0, b: new Float64Array(shares.length) }
      this.#sums.set(product, sum)
      sum.mass += weight
      for (let c = 0; c < shares.length; c++) sum.b[c]! += weight * shares[c]!
    }
  }

  /** q(u); undefined where the walk meets no prototype. */
  walk(user: UserIndex): Float64Array | undefined {
    this.#store.productsOf(user, this.#neighbours)
    const scores = new Float64Array(this.prior.length)
    let total = 0
    for (let i = 0; i < this.#neighbours.length; i++) {
      const sum = this.#sums.get(this.#neighbours.ids[i] as ProductIndex)
      if (sum === undefined || sum.mass < edgeWeightMin) continue
      const factor = (this.#neighbours.weights[i]! * sum.mass) / (sum.mass + this.#kappa) ** 2
      for (let c = 0; c < scores.length; c++) {
        const score = factor * (sum.b[c]! + this.#kappa * this.prior[c]!)
        scores[c]! += score
        total += score
      }
    }
    return total === 0 ? undefined : scores.map((score) => score / total)
  }
}
