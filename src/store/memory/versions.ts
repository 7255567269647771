// Prototype-set versions with their vectors and labels, and the import that waits for its switch, in memory.

import type { ContentFit } from '../../core/content.ts'
import type { Epoch } from '../../core/epoch.ts'
import type { ProductIndex, UserIndex } from '../../core/ids.ts'
import type { LabelNote, PrototypeVersion, ShareList } from '../../core/prototype.ts'
import type { PendingImport, PendingLabel, StoreWriter, VectorRow } from '../port.ts'
import { ascendingKeys, type MemoryState, type UndoLog } from './undo.ts'

export function versionsPart({ undo }: MemoryState) {
  const versions = new Map<number, PrototypeVersion>()
  const vectors = new ByVersion<ProductIndex, VectorRow>()
  const labels = new ByVersion<UserIndex, ShareList>()
  const notes = new ByVersion<UserIndex, { note: LabelNote; shares: ShareList }>()
  return {
    version: (version) => structuredClone(versions.get(version)),
    putVersion: (row) => undo.set(versions, row.version, structuredClone(row)),
    /** Drops vectors and labels; the version's names stay for change events that speak of it. */
    dropVersion(version) {
      clear(undo, vectors.of(version))
      clear(undo, labels.of(version))
      clear(undo, notes.of(version))
    },
    vector: (version, product) => copyOf(vectors.of(version).get(product)),
    putVector: (version, product, row) => undo.set(vectors.of(version), product, copyOf(row)),
    labels(version) {
      const table = labels.of(version)
      return ascendingKeys(table).map((userIndex) => ({ userIndex, shares: table.get(userIndex)! }))
    },
    putLabels: (version, user, shares) => undo.set(labels.of(version), user, frozen(shares)),
    dropLabels: (version, user) => undo.set(labels.of(version), user, undefined),
    heldOut(version) {
      const table = notes.of(version)
      return ascendingKeys(table)
        .map((userIndex) => ({ userIndex, ...table.get(userIndex)! }))
        .filter(({ note }) => note.heldOut === true)
    },
    labelNote: (version, user) => structuredClone(notes.of(version).get(user)?.note),
    putLabelNote: (version, user, { shares, note }) =>
      undo.set(notes.of(version), user, { shares: frozen(shares), note: structuredClone(note) }),
    dropLabelNote: (version, user) => undo.set(notes.of(version), user, undefined),
    ...epochsPart(undo),
    ...pendingPart(undo),
  } satisfies Partial<StoreWriter>
}

function epochsPart(undo: UndoLog) {
  const epochs = new Map<number, Epoch>()
  const fits = new Map<number, ContentFit>()
  return {
    epoch: (epoch) => structuredClone(epochs.get(epoch)),
    putEpoch: (epoch) => undo.set(epochs, epoch.epoch, structuredClone(epoch)),
    dropEpochs({ epoch, head }) {
      for (const key of ascendingKeys(epochs)) if (key < epoch) undo.set(epochs, key, undefined)
      for (const key of ascendingKeys(fits)) if (key < head) undo.set(fits, key, undefined)
    },
    contentFit: (head) => structuredClone(fits.get(head)),
    putContentFit: (head, fit) => undo.set(fits, head, structuredClone(fit)),
  } satisfies Partial<StoreWriter>
}

function pendingPart(undo: UndoLog) {
  const imports = new Map<'pending', PendingImport>()
  const labels = new Map<string, { ordinal: number; label: PendingLabel }>()
  function dropPendingImport() {
    undo.set(imports, 'pending', undefined)
    clear(undo, labels)
  }
  return {
    pendingImport: () => structuredClone(imports.get('pending')),
    *pendingLabels() {
      const inOrder = [...labels.values()].sort((a, b) => a.ordinal - b.ordinal)
      for (const { label } of inOrder) yield structuredClone(label)
    },
    putPendingImport(pending, given) {
      dropPendingImport()
      undo.set(imports, 'pending', structuredClone(pending))
      let ordinal = 0
      for (const label of given)
        undo.set(labels, label.userId as string, { ordinal: ordinal++, label: structuredClone(label) })
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
