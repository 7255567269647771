/**
 * Oracle, batch: everything DESIGN.md section 1 derives from final edges and a prototype set, computed
 * anew. Weights are thousandths; shares 2^-20; B is in thousandths of 2^-20; published vectors 2^-24.
 */
import { type OracleEdges, type OracleUserEdges, weightsOf } from './edges.ts'
import { assertWhole, type OracleConfig, publishedUnit, shareUnit, sumOf, zeros } from './model.ts'
import type { OraclePrototypeSet } from './prototypes.ts'

/** What the prototypes' edges say of a product. Whole numbers. */
export interface OracleEvidence {
  M: number
  B: number[]
}

export interface OracleProduct extends OracleEvidence {
  readonly rho: number
  /** Entries sum to rho. */
  readonly b: readonly number[]
}

export interface OracleWalk {
  readonly s: readonly number[]
  readonly z: number
  /** All zero when z is. */
  readonly q: readonly number[]
}

/** A walk over published vectors: S in thousandths of 2^-24, W in thousandths. Whole numbers. */
export interface OracleScore {
  readonly W: number
  readonly S: readonly number[]
}

export interface OracleBatch {
  readonly weights: ReadonlyMap<string, number>
  readonly products: ReadonlyMap<string, OracleProduct>
  /** The exact walk of every user with edges; for a prototype `leaveOneOut` is the row to read. */
  readonly walks: ReadonlyMap<string, OracleWalk>
}

export interface OracleInputs {
  readonly edges: OracleEdges
  readonly set: OraclePrototypeSet
  readonly config: OracleConfig
}

export function batch(inputs: OracleInputs & { readonly products: Iterable<string> }): OracleBatch {
  const { edges, set, config } = inputs
  const products = new Map<string, OracleProduct>()
  for (const [product, evidence] of evidenceOf(inputs)) {
    products.set(product, productOf({ evidence, prior: set.prior, kappa: config.kappa }))
  }
  const weights = new Map<string, number>()
  const walks = new Map<string, OracleWalk>()
  for (const [user, userEdges] of edges) {
    const userWeights = weightsOf(userEdges, config.repeat)
    weights.set(user, sumOf(userWeights.map(([, weight]) => weight)))
    walks.set(
      user,
      exactWalk(userWeights, (product) => products.get(product)!.b, set.personas.length),
    )
  }
  return { weights, products, walks }
}

/** M and B of each of the given products. */
export function evidenceOf(
  inputs: OracleInputs & { readonly products: Iterable<string> },
): Map<string, OracleEvidence> {
  const { edges, set, config } = inputs
  const evidence = new Map<string, OracleEvidence>()
  for (const product of inputs.products) evidence.set(product, { M: 0, B: zeros(set.personas.length) })
  for (const [prototype, shares] of set.shares) {
    for (const [product, weight] of weightsOf(edges.get(prototype), config.repeat)) {
      addEvidence(evidence.get(product)!, weight, shares)
    }
  }
  return evidence
}

/** M += weight, B += weight * shares; a negative weight takes out. */
export function addEvidence(evidence: OracleEvidence, weight: number, shares: readonly number[]): void {
  evidence.M += weight
  shares.forEach((share, persona) => {
    evidence.B[persona] = assertWhole(evidence.B[persona]! + weight * share)
  })
}

/** rho = M / (M + kappa); b = rho (B + kappa prior) / (M + kappa), read from left to right. */
export function productOf(options: {
  readonly evidence: OracleEvidence
  readonly prior: readonly number[]
  readonly kappa: number
}): OracleProduct {
  const { evidence, prior, kappa } = options
  const { M, B } = evidence
  const rho = M / (M + kappa)
  const b = B.map((entry, persona) => (rho * (entry / shareUnit + kappa * prior[persona]!)) / (M + kappa))
  return { M, B, rho, b }
}

/** The vector a publication of b writes. */
export function publishedOf(b: readonly number[]): number[] {
  return b.map((entry) => Math.round(entry * publishedUnit))
}

/** s(u), z(u), q(u) over any vectors of shares. */
export function exactWalk(
  userWeights: readonly (readonly [string, number])[],
  vectorOf: (product: string) => readonly number[],
  personaCount: number,
): OracleWalk {
  const sums = zeros(personaCount)
  let total = 0
  for (const [product, weight] of userWeights) {
    total += weight
    vectorOf(product).forEach((entry, persona) => {
      sums[persona]! += weight * entry
    })
  }
  const s = sums.map((sum) => (total === 0 ? 0 : sum / total))
  const z = sumOf(s)
  return { s, z, q: s.map((entry) => (z === 0 ? 0 : entry / z)) }
}

/** S(u) and W(u) from published vectors; a product without one counts as all zero. */
export function scoreOf(options: {
  readonly userEdges: OracleUserEdges | undefined
  readonly published: (product: string) => readonly number[] | undefined
  readonly personaCount: number
  readonly config: OracleConfig
}): OracleScore {
  const S = zeros(options.personaCount)
  let W = 0
  for (const [product, weight] of weightsOf(options.userEdges, options.config.repeat)) {
    W += weight
    options.published(product)?.forEach((entry, persona) => {
      S[persona] = assertWhole(S[persona]! + weight * entry)
    })
  }
  return { W, S }
}

/** The walk's distribution as published vectors give it: S over its sum; all zero when that is. */
export function distributionOf(score: OracleScore): number[] {
  const total = sumOf(score.S)
  return score.S.map((entry) => (total === 0 ? 0 : entry / total))
}

/** z(u) as published vectors give it. */
export function landingMassOf(score: OracleScore): number {
  return score.W === 0 ? 0 : sumOf(score.S) / (score.W * publishedUnit)
}

/** A prototype's own row: the exact walk with its own share taken out of B and M (not of the prior). */
export function leaveOneOut(
  inputs: OracleInputs & {
    readonly products: ReadonlyMap<string, OracleEvidence>
    readonly prototype: string
  },
): OracleWalk {
  const { edges, set, config } = inputs
  const shares = set.shares.get(inputs.prototype)
  if (shares === undefined) throw new Error(`oracle: ${inputs.prototype} is no prototype`)
  const userWeights = weightsOf(edges.get(inputs.prototype), config.repeat)
  const vectors = new Map<string, readonly number[]>()
  for (const [product, weight] of userWeights) {
    const { M, B } = inputs.products.get(product)!
    const evidence = { M, B: [...B] }
    addEvidence(evidence, -weight, shares)
    vectors.set(product, productOf({ evidence, prior: set.prior, kappa: config.kappa }).b)
  }
  return exactWalk(userWeights, (product) => vectors.get(product)!, set.personas.length)
}

/** ||b̂ - b||₁, with b̂ in units of 2^-24. */
export function driftOf(published: readonly number[], b: readonly number[]): number {
  return sumOf(b.map((entry, persona) => Math.abs((published[persona] ?? 0) / publishedUnit - entry)))
}

/** Drift over delta * rho: above 1 breaks I2. A product no prototype holds must publish zero. */
export function driftRatioOf(options: {
  readonly published: readonly number[]
  readonly product: OracleProduct
  readonly delta: number
}): number {
  const drift = driftOf(options.published, options.product.b)
  return drift === 0 ? 0 : drift / (options.delta * options.product.rho)
}

/** L1 distance of two distributions. */
export function distanceOf(a: readonly number[], b: readonly number[]): number {
  return sumOf(a.map((entry, persona) => Math.abs(entry - (b[persona] ?? 0))))
}
