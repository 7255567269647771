// Deciding a user anew as the engine would, from the stored edges and the epoch that the user was decided under: what
// verification, exports and explanations read. Independent of the engine's hot memory.
import { featureCount, logDegreeOf, logLiftOf } from '../core/calibration.ts'
import { type ContentModel, contentScoreOf, contentVector, wordsOf } from '../core/content.ts'
import { decideByOdds, type OddsPolicy, oddsInto, oddsPolicyOf } from '../core/decide.ts'
import type { Epoch } from '../core/epoch.ts'
import type { ProductIndex } from '../core/ids.ts'
import { sigmoid } from '../core/logistic.ts'
import { type DecisionPolicy, decideHeld, landed } from '../core/persona.ts'
import { type PrototypeVersion, priorOf } from '../core/prototype.ts'
import { addScaled, type Row, scoreTotal } from '../core/walk.ts'
import { type StoreReader, textUnder } from '../store/port.ts'

/** A user's walk and edges, as far as a decision reads them. */
export type Evidence = {
  /** S(u) of the walk over published vectors, and W(u), thousandths. */
  readonly scores: Float64Array
  readonly weight: number
  readonly edges: readonly { readonly product: ProductIndex; readonly weight: number }[]
  /** The standing sampled answer, if the user has one. */
  readonly sampled?: Float64Array | undefined
  /** X(u), where it is known already: read from the edges otherwise. */
  readonly content?: Float64Array | undefined
}

export type Decided = {
  readonly status: 'inferred' | 'unknown'
  readonly lands: boolean
  /** 0/1 a persona, and the index of the primary, −1 for none. */
  readonly held: Uint8Array
  readonly primary: number
  /** C entries; undefined where the user is answered by q. */
  readonly probabilities: Float64Array | undefined
}

/** Log odds by where they come from: together they are the log odds of the probability. */
export type Parts = {
  readonly base: number
  readonly walk: number
  readonly words: number
  readonly degree: number
}

type Fit = { readonly epoch: Epoch; readonly policy: OddsPolicy; readonly model: ContentModel | undefined }

export class Decider {
  readonly #store: StoreReader
  readonly #decision: DecisionPolicy
  readonly #prior: Float64Array
  readonly #carried: Uint8Array
  readonly #fits = new Map<number, Fit>()
  readonly #vectors = new Map<string, Row>()

  constructor(
    store: StoreReader,
    { version, decision }: { version: PrototypeVersion; decision: DecisionPolicy },
  ) {
    this.#store = store
    this.#decision = decision
    this.#prior = priorOf(version)
    this.#carried = Uint8Array.from(version.shareSums, (sum) => (sum > 0 ? 1 : 0))
  }

  /** Decides under `epoch` (0: by q), with `before` (0/1 a persona) held until then. */
  decide(evidence: Evidence, { epoch, before }: { epoch: number; before: Uint8Array }): Decided {
    const { weight, sampled } = evidence
    const personas = this.#carried.length
    const exact = { values: evidence.scores, offset: 0 }
    const enough = weight >= this.#decision.weightMin
    const lands = enough && landed(exact, { weight, personas }, this.#decision)
    const walk = lands ? exact : sampled && { values: sampled, offset: 0 }
    const held = { values: before.slice(), offset: 0 }
    const fit = this.#fitOf(epoch)
    const words = fit && this.#content(evidence, fit)
    if (!enough || (walk === undefined && words === undefined))
      return {
        status: 'unknown',
        lands,
        held: new Uint8Array(personas),
        primary: -1,
        probabilities: undefined,
      }
    if (fit === undefined) {
      const primary = decideHeld(walk!, held, { policy: this.#decision, carried: this.#carried })
      return { status: 'inferred', lands, held: held.values, primary, probabilities: undefined }
    }
    const odds = new Float64Array(personas)
    oddsInto(odds, { score: walk, content: words, weight }, fit.policy)
    const primary = decideByOdds(odds, held, fit.policy)
    return { status: 'inferred', lands, held: held.values, primary, probabilities: odds.map(sigmoid) }
  }

  /** Where the log odds of one persona come from; undefined without an epoch. */
  partsOf(evidence: Evidence, { epoch, persona }: { epoch: number; persona: number }): Parts | undefined {
    const fit = this.#fitOf(epoch)
    if (fit === undefined) return undefined
    const { base, coefficients } = fit.policy.calibration
    const at = persona * featureCount
    const [constant = 0, lift = 0, content = 0, degree = 0, liftByDegree = 0, contentByDegree = 0] =
      coefficients.subarray(at, at + featureCount)
    const words = this.#content(evidence, fit)
    const personas = this.#carried.length
    const exact = { values: evidence.scores, offset: 0 }
    const lands = landed(exact, { weight: evidence.weight, personas }, this.#decision)
    const score = lands ? exact : evidence.sampled && { values: evidence.sampled, offset: 0 }
    const total = score === undefined ? 0 : scoreTotal(score, personas)
    const logDegree = logDegreeOf(evidence.weight)
    const x =
      score === undefined || total === 0
        ? 0
        : logLiftOf(score.values[persona]! / total, this.#prior[persona]!)
    const read =
      words === undefined
        ? 0
        : contentScoreOf(fit.policy.bias![persona]!, words.values[persona]!, evidence.weight)
    return {
      base: base[persona]! + constant,
      walk: (lift + liftByDegree * logDegree) * x,
      words: (content + contentByDegree * logDegree) * read,
      degree: degree * logDegree,
    }
  }

  /** v(p) under an epoch, C entries in units of 2⁻²⁰; undefined where words are not read. */
  vectorOf(product: ProductIndex, epoch: number): Float64Array | undefined {
    const fit = this.#fitOf(epoch)
    return fit?.model === undefined ? undefined : this.#vectorOf(product, fit).values
  }

  /** X(u) under an epoch; undefined where words are not read. */
  contentOf(edges: Evidence['edges'], epoch: number): Float64Array | undefined {
    const fit = this.#fitOf(epoch)
    return fit?.model === undefined ? undefined : this.#sums(edges, fit)
  }

  epoch(epoch: number): Epoch | undefined {
    return this.#fitOf(epoch)?.epoch
  }

  #fitOf(epoch: number): Fit | undefined {
    if (epoch === 0) return undefined
    const kept = this.#fits.get(epoch)
    if (kept !== undefined) return kept
    const stored = this.#store.epoch(epoch)
    if (stored === undefined) return undefined
    const model = stored.evidence === 'both' ? this.#store.contentFit(stored.head)?.model : undefined
    const { calibration, exit } = stored
    const policy = oddsPolicyOf({
      calibration,
      exit,
      prior: this.#prior,
      carried: this.#carried,
      bias: model?.bias,
    })
    const fit = { epoch: stored, policy, model }
    this.#fits.set(epoch, fit)
    return fit
  }

  /** X(u); undefined where words are not read or none is known. */
  #content({ edges, content }: Evidence, fit: Fit): Row | undefined {
    if (fit.model === undefined) return undefined
    const values = content ?? this.#sums(edges, fit)
    return values.some((value) => value !== 0) ? { values, offset: 0 } : undefined
  }

  #sums(edges: Evidence['edges'], fit: Fit): Float64Array {
    const personas = this.#carried.length
    const sums = { values: new Float64Array(personas), offset: 0 }
    for (const { product, weight } of edges)
      addScaled(sums, this.#vectorOf(product, fit), { weight, personas })
    return sums.values
  }

  #vectorOf(product: ProductIndex, { epoch, model }: Fit): Row {
    const key = `${epoch.head}:${product}`
    const kept = this.#vectors.get(key)
    if (kept !== undefined) return kept
    const { title, category } = textUnder(this.#store.product(product)!, epoch.head)
    const row = { values: new Float64Array(this.#carried.length), offset: 0 }
    contentVector(model!, wordsOf(title, category), { out: row.values, offset: 0 })
    if (this.#vectors.size >= vectorsMax) this.#vectors.clear()
    this.#vectors.set(key, row)
    return row
  }
}

/** Products whose v(p) is kept while many users are read. */
const vectorsMax = 100_000
