// Prototype-set versions with their vectors and labels, and the import that waits for its switch, in memory.
import type { ProductIndex, UserId, UserIndex } from '../../core/ids.ts'
import type { PrototypeVersion, ShareList } from '../../core/prototype.ts'
import type { PendingImport, StoreWriter, VectorRow } from '../port.ts'
import { ascendingKeys, type MemoryState, type UndoLog } from './undo.ts'

export function versionsPart({ undo }: MemoryState) {
  const versions = new Map<number, PrototypeVersion>()
  const vectors = new ByVersion<ProductIndex, VectorRow>()
  const labels = new ByVersion<UserIndex, ShareList>()
  return {
    version: (version) => structuredClone(versions.get(version)),
    putVersion: (row) => undo.set(versions, row.version, structuredClone(row)),
    /** Drops vectors and labels; the version's names stay for change events that speak of it. */
    dropVersion(version) {
      clear(undo, vectors.of(version))
      clear(undo, labels.of(version))
    },
    vector: (version, product) => copyOf(vectors.of(version).get(product)),
    putVector: (version, product, row) => undo.set(vectors.of(version), product, copyOf(row)),
    labels(version) {
      const table = labels.of(version)
      return ascendingKeys(table).map((userIndex) => ({ userIndex, shares: table.get(userIndex)! }))
    },
    putLabels: (version, user, shares) => undo.set(labels.of(version), user, frozen(shares)),
    dropLabels: (version, user) => undo.set(labels.of(version), user, undefined),
    ...pendingPart(undo),
  } satisfies Partial<StoreWriter>
}

function pendingPart(undo: UndoLog) {
  const imports = new Map<'pending', PendingImport>()
  const labels = new Map<string, { ordinal: number; userId: UserId; shares: ShareList }>()
  function dropPendingImport() {
    undo.set(imports, 'pending', undefined)
    clear(undo, labels)
  }
  return {
    pendingImport: () => structuredClone(imports.get('pending')),
    *pendingLabels() {
      const inOrder = [...labels.values()].sort((a, b) => a.ordinal - b.ordinal)
      for (const { userId, shares } of inOrder) yield { userId, shares }
    },
    putPendingImport(pending, given) {
      dropPendingImport()
      undo.set(imports, 'pending', structuredClone(pending))
      let ordinal = 0
      for (const { userId, shares } of given)
        undo.set(labels, userId as string, { ordinal: ordinal++, userId, shares: frozen(shares) })
    },
    dropPendingLabel: (userId) => undo.set(labels, userId, undefined),
    dropPendingImport,
  } satisfies Partial<StoreWriter>
}

class ByVersion<K, V> {
  readonly #tables = new Map<number, Map<K, V>>()

  of(version: number): Map<K, V> {
    const table = this.#tables.get(version) ?? new Map<K, V>()
    this.#tables.set(version, table)
    return table
  }
}

function clear<K, V>(undo: UndoLog, map: Map<K, V>): void {
  for (const key of [...map.keys()]) undo.set(map, key, undefined)
}

function copyOf<R extends VectorRow | undefined>(row: R): R {
  return row && { ...row, b: row.b.slice(), published: row.published.slice() }
}

function frozen(shares: ShareList): ShareList {
  return Object.freeze(shares.map((entry) => Object.freeze({ ...entry })))
}
