/**
 * Oracle, stream: a naive streaming reference. After every record it applies the event, re-publishes by
 * the rule, walks the touched users anew from their edges and decides. Longer walks are off: a user with
 * too little landing mass is unknown.
 */
import {
  addEvidence,
  driftOf,
  evidenceOf,
  type OracleEvidence,
  type OracleScore,
  productOf,
  publishedOf,
  scoreOf,
} from './batch.ts'
import { decide, nothingKnown, type OracleAnswer, prototypeAnswer } from './decide.ts'
import { addToEdges, edgeWeight, type OracleEdges, weightsOf } from './edges.ts'
import {
  defaultOracleConfig,
  type OracleConfig,
  type OracleEvent,
  type OracleImport,
  type OracleRecord,
  type OracleStatus,
  sumOf,
  zeros,
} from './model.ts'
import { imported, noPrototypes, type OraclePrototypeSet, withoutPrototype } from './prototypes.ts'

export interface OracleChange {
  /** Index of the record that caused it. */
  readonly position: number
  readonly user_id: string
  readonly sequence: number
  readonly status: OracleStatus
  readonly entered: readonly string[]
  readonly exited: readonly string[]
  readonly personas: readonly string[]
  readonly primary: string | null
  readonly previous_primary: string | null
}

/** What one record did. */
export interface OracleOutcome {
  readonly changes: readonly OracleChange[]
  /** Users whose walk was computed. */
  readonly rewalks: ReadonlySet<string>
  /** Those of them whose W or S came out different. */
  readonly moved: ReadonlySet<string>
  /** Products published. */
  readonly published: ReadonlySet<string>
}

export interface OracleUserState {
  readonly status: OracleStatus
  readonly sequence: number
  readonly W: number
  /** Null for a prototype: its row is computed on demand. */
  readonly S: readonly number[] | null
  readonly held: readonly string[]
  readonly primary: string | null
}

export interface OracleProductState {
  readonly M: number
  readonly B: readonly number[]
  readonly published: readonly number[]
  readonly rho: number
}

export interface OracleState {
  readonly personas: readonly string[]
  readonly users: ReadonlyMap<string, OracleUserState>
  readonly products: ReadonlyMap<string, OracleProductState>
}

export interface OracleRun {
  readonly changes: readonly OracleChange[]
  /** One outcome a record. */
  readonly outcomes: readonly OracleOutcome[]
  readonly state: OracleState
}

export function runStream(
  records: Iterable<OracleRecord>,
  config: OracleConfig = defaultOracleConfig,
): OracleRun {
  const stream = new OracleStream(config)
  const outcomes: OracleOutcome[] = []
  for (const record of records) outcomes.push(stream.apply(record))
  return { changes: outcomes.flatMap((outcome) => outcome.changes), outcomes, state: stream.state() }
}

interface User {
  answer: OracleAnswer
  sequence: number
  score: OracleScore
}

interface Product {
  evidence: OracleEvidence
  published: number[]
}

export class OracleStream {
  /** The position the next record gets. */
  position = 0
  set: OraclePrototypeSet = noPrototypes
  readonly config: OracleConfig
  readonly edges: OracleEdges = new Map()
  readonly #seen = new Set<string>()
  readonly #users = new Map<string, User>()
  readonly #products = new Map<string, Product>()

  constructor(config: OracleConfig = defaultOracleConfig) {
    this.config = config
  }

  apply(record: OracleRecord): OracleOutcome {
    const outcome = this.#applied(record)
    this.position += 1
    return outcome
  }

  state(): OracleState {
    const users = new Map<string, OracleUserState>()
    for (const [id, { answer, sequence, score }] of this.#users) {
      const isPrototype = this.set.shares.has(id)
      const W = sumOf(weightsOf(this.edges.get(id), this.config.repeat).map(([, weight]) => weight))
      users.set(id, { ...answer, sequence, W: isPrototype ? W : score.W, S: isPrototype ? null : score.S })
    }
    const products = new Map<string, OracleProductState>()
    for (const [id, { evidence, published }] of this.#products) {
      const { M, B } = evidence
      products.set(id, { M, B: [...B], published: [...published], rho: M / (M + this.config.kappa) })
    }
    return { personas: this.set.personas, users, products }
  }

  #applied(record: OracleRecord): OracleOutcome {
    switch (record.kind) {
      case 'event':
        return this.#applyEvent(record)
      case 'import':
        return this.#applyImport(record)
      case 'erase':
        return this.#applyErase(record.user_id)
    }
  }

  #applyEvent(event: OracleEvent): OracleOutcome {
    if (this.#seen.has(event.event_id)) return nothingDone
    this.#seen.add(event.event_id)
    const { user_id: user, product_id: product } = event
    this.#know(user)
    if (!this.#products.has(product)) {
      const none = this.set.personas.length
      this.#products.set(product, { evidence: { M: 0, B: zeros(none) }, published: zeros(none) })
    }
    const before = this.#weight(user, product)
    addToEdges(this.edges, event)
    const gained = this.#weight(user, product) - before

    const shares = this.set.shares.get(user)
    if (shares === undefined) return this.#rewalk(new Set([user]), new Set())
    if (gained === 0) return nothingDone
    addEvidence(this.#products.get(product)!.evidence, gained, shares)
    return this.#settle([product])
  }

  #applyErase(user: string): OracleOutcome {
    const weights = weightsOf(this.edges.get(user), this.config.repeat)
    const shares = this.set.shares.get(user)
    this.edges.delete(user)
    this.#users.delete(user)
    this.set = withoutPrototype(this.set, user)
    if (shares === undefined) return nothingDone
    for (const [product, weight] of weights) {
      addEvidence(this.#products.get(product)!.evidence, -weight, shares)
    }
    return this.#settle(weights.map(([product]) => product))
  }

  #applyImport(record: OracleImport): OracleOutcome {
    const next = imported(this.set, record)
    if (next === this.set) return nothingDone
    this.set = next
    for (const user of next.shares.keys()) this.#know(user)
    const { edges, set, config } = this
    for (const [product, evidence] of evidenceOf({ edges, set, config, products: this.#products.keys() })) {
      const { b } = productOf({ evidence, prior: set.prior, kappa: config.kappa })
      this.#products.set(product, { evidence, published: publishedOf(b) })
    }
    const relabelled = [...next.shares.keys()].flatMap((user) =>
      this.#answer(user, prototypeAnswer(next, user)),
    )
    const others = [...this.#users.keys()].filter((user) => !next.shares.has(user))
    const outcome = this.#rewalk(new Set(others), new Set(this.#products.keys()))
    return { ...outcome, changes: [...relabelled, ...outcome.changes] }
  }

  /** Publishes those of the products, whose b has just moved, that drifted too far; walks their buyers. */
  #settle(products: readonly string[]): OracleOutcome {
    const published = new Set(products.filter((product) => this.#publishIfDrifted(product)))
    const buyers = [...this.edges.keys()].filter(
      (user) =>
        !this.set.shares.has(user) && [...published].some((product) => this.#weight(user, product) > 0),
    )
    return this.#rewalk(new Set(buyers), published)
  }

  #publishIfDrifted(id: string): boolean {
    const { kappa, delta } = this.config
    const product = this.#products.get(id)!
    const { b, rho } = productOf({ evidence: product.evidence, prior: this.set.prior, kappa })
    const isZero = b.every((entry) => entry === 0)
    const wasZero = product.published.every((entry) => entry === 0)
    if (isZero === wasZero && !(driftOf(product.published, b) > delta * rho)) return false
    product.published = publishedOf(b)
    return true
  }

  #rewalk(rewalks: ReadonlySet<string>, published: ReadonlySet<string>): OracleOutcome {
    const changes: OracleChange[] = []
    const moved = new Set<string>()
    for (const id of rewalks) {
      const user = this.#users.get(id)!
      const score = scoreOf({
        userEdges: this.edges.get(id),
        published: (product) => this.#products.get(product)!.published,
        personaCount: this.set.personas.length,
        config: this.config,
      })
      if (JSON.stringify(score) !== JSON.stringify(user.score)) moved.add(id)
      user.score = score
      const { set, config } = this
      changes.push(...this.#answer(id, decide({ score, heldBefore: user.answer.held, set, config })))
    }
    return { changes, rewalks, moved, published }
  }

  /** Records an answer; yields its change event, if it is one. */
  #answer(id: string, next: OracleAnswer): OracleChange[] {
    const user = this.#users.get(id)!
    const last = user.answer
    user.answer = next
    const entered = next.held.filter((name) => !last.held.includes(name))
    const exited = last.held.filter((name) => !next.held.includes(name))
    const isSame = next.status === last.status && next.primary === last.primary
    if (isSame && entered.length === 0 && exited.length === 0) return []
    user.sequence += 1
    return [
      {
        position: this.position,
        user_id: id,
        sequence: user.sequence,
        status: next.status,
        entered,
        exited,
        personas: next.held,
        primary: next.primary,
        previous_primary: last.primary,
      },
    ]
  }

  #know(user: string): void {
    if (this.#users.has(user)) return
    const score = { W: 0, S: zeros(this.set.personas.length) }
    this.#users.set(user, { answer: nothingKnown, sequence: 0, score })
  }

  #weight(user: string, product: string): number {
    return edgeWeight(this.edges.get(user)?.get(product), this.config.repeat)
  }
}

const nothingDone: OracleOutcome = {
  changes: [],
  rewalks: new Set(),
  moved: new Set(),
  published: new Set(),
}
