// The engine's memory between transactions: policies, the active prototype-set version, and what is kept hot.
// Everything here can be made again from the store; after an undone transaction it is.
import { createValueCodec, type ValueCodec } from '../codec/kafka-value.ts'
import type { RepeatPolicy } from '../core/edge.ts'
import type { ProductIndex, UserIndex } from '../core/ids.ts'
import type { DecisionPolicy } from '../core/persona.ts'
import { type PrototypeVersion, priorOf, type ShareList } from '../core/prototype.ts'
import type { SamplingPolicy } from '../core/sampled-walk.ts'
import type { VectorPolicy } from '../core/vector.ts'
import { newNeighbours, type ProductRow, type StoreReader } from '../store/port.ts'
import { type Calibrated, calibratedOf } from './calibrated.ts'
import { HotProducts } from './hot-products.ts'
import { HotUsers } from './hot-users.ts'
import { countPrototypeEdges, type PrototypeEdges } from './prototype-edges.ts'
import type { Shadow } from './shadow.ts'
import { newTally, type Tally } from './tally.ts'

export type CalibrationPolicy = {
  /** Prototypes with a live edge from which on probabilities are fitted; 0: never. */
  readonly prototypesMin: number
  /** Probability from which a persona is entered; 0: the one that is best on the prototypes. */
  readonly enter: number
  /** A held persona is left below this share of it. */
  readonly exitRatio: number
  /** Users decided anew an event after a fit. */
  readonly sweepUsers: number
  /** Whether words are read where the prototypes say that they help. */
  readonly words: boolean
}

export type EnginePolicy = {
  readonly kappa: number
  readonly delta: number
  readonly repeat: RepeatPolicy
  readonly decision: DecisionPolicy
  readonly sampling: SamplingPolicy
  readonly seed: number
  readonly calibration: CalibrationPolicy
  readonly hotBytesMax: number
  readonly quarantineMax: number
}

export type ActiveVersion = {
  readonly meta: PrototypeVersion
  readonly names: readonly string[]
  readonly policy: VectorPolicy
  /** 1 for a persona that some prototype of the version carries. */
  readonly carried: Uint8Array
  readonly labels: Map<UserIndex, ShareList>
}

export type Engine = {
  readonly policy: EnginePolicy
  /** How values of topics are read. */
  readonly values: ValueCodec
  active: ActiveVersion
  /** The running epoch; undefined before the first fit. */
  calibrated: Calibrated | undefined
  /** Prototypes with a live edge, and their live edges. */
  prototypes: PrototypeEdges
  users: HotUsers
  products: HotProducts
  /** Titles and categories of products seen lately: most events repeat them. */
  readonly titles: Map<ProductIndex, ProductRow>
  /** The next version while it is built beside the active one. */
  shadow: Shadow | undefined
  readonly neighbours: ReturnType<typeof newNeighbours>
  /** What the running batch did, for whoever watches. */
  tally: Tally
}

const noVersion: PrototypeVersion = { version: 0, hash: '', personas: [], shareSums: [], prototypes: 0 }

/** Values of topics where no configuration says more: JSON. */
const jsonValues = {
  value: 'json',
  registry: undefined,
  localSchema: undefined,
  mappings: new Map(),
} as const

export function createEngine(
  policy: EnginePolicy,
  store: StoreReader,
  values: ValueCodec = createValueCodec(jsonValues),
): Engine {
  const active = activeVersionOf(store, policy)
  return {
    policy,
    values,
    active,
    calibrated: calibratedOf(store, { prior: active.policy.prior, carried: active.carried }),
    prototypes: countPrototypeEdges(store, active.labels.keys()),
    ...hotFor(active, policy),
    titles: new Map(),
    shadow: undefined,
    neighbours: newNeighbours(),
    tally: newTally(),
  }
}

/** Forgets what is hot and reads the active version again. */
export function resetEngine(engine: Engine, store: StoreReader): void {
  engine.active = activeVersionOf(store, engine.policy)
  const { policy, carried, labels } = engine.active
  engine.calibrated = calibratedOf(store, { prior: policy.prior, carried })
  engine.prototypes = countPrototypeEdges(store, labels.keys())
  Object.assign(engine, hotFor(engine.active, engine.policy))
  engine.titles.clear()
  engine.tally = newTally()
  engine.shadow = undefined
}

/** Makes `active` the version that users are scored by; nothing is hot after, and nothing calibrated. */
export function activate(engine: Engine, active: ActiveVersion, store: StoreReader): void {
  engine.active = active
  engine.calibrated = undefined
  engine.prototypes = countPrototypeEdges(store, active.labels.keys())
  Object.assign(engine, hotFor(active, engine.policy))
}

export function activeVersion(
  meta: PrototypeVersion,
  { kappa, delta }: { kappa: number; delta: number },
  labels: Iterable<{ userIndex: UserIndex; shares: ShareList }>,
): ActiveVersion {
  return {
    meta,
    names: meta.personas.map(({ name }) => name),
    policy: { kappa, delta, prior: priorOf(meta) },
    carried: Uint8Array.from(meta.shareSums, (sum) => (sum > 0 ? 1 : 0)),
    labels: new Map([...labels].map(({ userIndex, shares }) => [userIndex, shares])),
  }
}

function activeVersionOf(store: StoreReader, policy: EnginePolicy): ActiveVersion {
  const { version } = store.counters()
  return activeVersion(
    store.version(version) ?? noVersion,
    policy,
    version === 0 ? [] : store.labels(version),
  )
}

/** Three quarters of the hot memory for users, a quarter for products. */
function hotFor(
  { meta, names }: ActiveVersion,
  { hotBytesMax }: EnginePolicy,
): { users: HotUsers; products: HotProducts } {
  const users = new HotUsers(names.length, hotBytesMax * 0.75)
  users.version = meta.version
  return { users, products: new HotProducts(names.length, hotBytesMax * 0.25) }
}
