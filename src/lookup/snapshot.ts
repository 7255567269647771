// A snapshot for long reads: one committed state as long as the reading code does not await, limited in time.
import type { UserIndex } from '../core/ids.ts'
import { type DecisionPolicy, decisionPolicyOf } from '../core/persona.ts'
import type { PrototypeVersion, ShareList } from '../core/prototype.ts'
import { FatalError } from '../errors.ts'
import type { StoreReader } from '../store/port.ts'
import type { Sliced } from './slices.ts'

export type Snapshot = {
  readonly store: StoreReader
  /** Prior buyer's weight, thousandths. */
  readonly kappa: number
  readonly decision: DecisionPolicy
  /** Called between rows: throws once the snapshot has been open for too long (it keeps old pages from being reused). */
  check(): void
}

export function snapshotOf(
  store: StoreReader,
  config: { kappa: number; snapshotSecondsMax: number } & Parameters<typeof decisionPolicyOf>[0],
): Snapshot {
  const { kappa, snapshotSecondsMax } = config
  const end = performance.now() + snapshotSecondsMax * 1000
  let rows = 0
  return {
    store,
    kappa,
    decision: decisionPolicyOf(config),
    check() {
      if (++rows % 1024 === 0 && performance.now() > end)
        throw new FatalError(
          `the snapshot was read for more than ${snapshotSecondsMax} s: read a \`kindred backup\` instead, or raise KINDRED_SNAPSHOT_SECONDS_MAX`,
        )
    },
  }
}

const noVersion: PrototypeVersion = { version: 0, hash: '', personas: [], shareSums: [], prototypes: 0 }

/** The active prototype-set version; one without personas before the first import. */
export function activeVersionOf(store: StoreReader): PrototypeVersion {
  return store.version(store.counters().version) ?? noVersion
}

/** Label shares of the active version's prototypes. */
export function labelsOf(store: StoreReader): Map<UserIndex, ShareList> {
  const { version } = store.counters()
  return new Map(
    version === 0 ? [] : [...store.labels(version)].map(({ userIndex, shares }) => [userIndex, shares]),
  )
}

/** Labels read between pauses. */
const stepLabels = 256

/**
 * Label shares of the active version's prototypes, read once for each version: within one, labels go only with their users,
 * and an index is never given again, so who was erased since is in no list of buyers that these are looked up for.
 */
export class Labels {
  readonly #store: StoreReader
  #version = 0
  #shares: ReadonlyMap<UserIndex, ShareList> = new Map()

  constructor(store: StoreReader) {
    this.#store = store
  }

  *read(): Sliced<ReadonlyMap<UserIndex, ShareList>> {
    const { version } = this.#store.counters()
    if (version === this.#version) return this.#shares
    const found = new Map<UserIndex, ShareList>()
    for (const { userIndex, shares } of this.#store.labels(version)) {
      found.set(userIndex, shares)
      if (found.size % stepLabels === 0) yield
    }
    this.#version = version
    this.#shares = found
    return found
  }
}
