// The part of the LMDB store that keeps prototype-set versions: vectors, personas, labels, and the pending import.
import type { ContentFit } from '../../core/content.ts'
import type { Epoch } from '../../core/epoch.ts'
import type { ProductIndex, UserId, UserIndex } from '../../core/ids.ts'
import type { LabelNote, PrototypeVersion, ShareList } from '../../core/prototype.ts'
import type * as port from '../port.ts'
import { type Environment, readMeta, writeMeta } from './environment.ts'
import { decodeContentFit, decodeEpoch, encodeContentFit, encodeEpoch } from './epoch-rows.ts'
import { pair, parseJson, secondOf } from './layout.ts'
import { decodeShares, decodeVector, encodeShares, encodeVector } from './rows.ts'

type VersionMethods =
  | 'vector'
  | 'putVector'
  | 'version'
  | 'putVersion'
  | 'dropVersion'
  | 'labels'
  | 'putLabels'
  | 'dropLabels'
  | 'pendingImport'
  | 'pendingLabels'
  | 'putPendingImport'
  | 'dropPendingLabel'
  | 'dropPendingImport'
  | 'heldOut'
  | 'labelNote'
  | 'putLabelNote'
  | 'dropLabelNote'
  | 'epoch'
  | 'putEpoch'
  | 'dropEpochs'
  | 'contentFit'
  | 'putContentFit'

type HeldOut = { readonly note: LabelNote; readonly shares: ShareList }

export function versionTables(environment: Environment): Pick<port.StoreWriter, VersionMethods> {
  const tables: Pick<port.StoreWriter, VersionMethods> = {
    vector(version: number, product: ProductIndex): port.VectorRow | undefined {
      const bytes = environment.tables.vectors.get(pair(version, product))
      return bytes && decodeVector(bytes)
    },

    putVector(version: number, product: ProductIndex, row: port.VectorRow): void {
      environment.tables.vectors.put(pair(version, product), encodeVector(row))
    },

    version(version: number): PrototypeVersion | undefined {
      const bytes = environment.tables.versions.get(version)
      return bytes && (JSON.parse(bytes.toString('utf8')) as PrototypeVersion)
    },

    putVersion(version: PrototypeVersion): void {
      environment.tables.versions.put(version.version, Buffer.from(JSON.stringify(version)))
    },

    /** Drops vectors and labels; the version's names stay for change events that speak of it. */
    dropVersion(version: number): void {
      const { vectors, labels, label_notes: notes, held_out: heldOut } = environment.tables
      for (const table of [vectors, labels, notes, heldOut])
        for (const key of [...table.keys(pair(version, 0), pair(version + 1, 0))]) table.remove(key)
    },

    *labels(version: number): Iterable<{ userIndex: UserIndex; shares: ShareList }> {
      const { labels } = environment.tables
      for (const key of [...labels.keys(pair(version, 0), pair(version + 1, 0))]) {
        const shares = labels.get(key)
        if (shares === undefined) continue // erased since, by a commit that the reader has let go by
        yield { userIndex: secondOf(key) as UserIndex, shares: decodeShares(shares) }
      }
    },

    putLabels(version: number, user: UserIndex, shares: ShareList): void {
      environment.tables.labels.put(pair(version, user), encodeShares(shares))
    },

    dropLabels(version: number, user: UserIndex): void {
      environment.tables.labels.remove(pair(version, user))
    },

    pendingImport(): port.PendingImport | undefined {
      return readMeta<port.PendingImport | null>(environment, 'pending_import') ?? undefined
    },

    *heldOut(version: number): Iterable<port.LabelledRow> {
      const { held_out: heldOut } = environment.tables
      for (const key of heldOut.keys(pair(version, 0), pair(version + 1, 0)))
        yield { userIndex: secondOf(key) as UserIndex, ...parseJson<HeldOut>(heldOut.get(key)!) }
    },

    labelNote(version: number, user: UserIndex): LabelNote | undefined {
      const { label_notes: notes, held_out: heldOut } = environment.tables
      const key = pair(version, user)
      const bytes = notes.get(key)
      if (bytes !== undefined) return parseJson<LabelNote>(bytes)
      const held = heldOut.get(key)
      return held && parseJson<HeldOut>(held).note
    },

    putLabelNote(version: number, user: UserIndex, { shares, note }): void {
      const { label_notes: notes, held_out: heldOut } = environment.tables
      const key = pair(version, user)
      if (note.heldOut === true) heldOut.put(key, Buffer.from(JSON.stringify({ note, shares })))
      else notes.put(key, Buffer.from(JSON.stringify(note)))
    },

    dropLabelNote(version: number, user: UserIndex): void {
      const { label_notes: notes, held_out: heldOut } = environment.tables
      for (const table of [notes, heldOut]) table.remove(pair(version, user))
    },

    epoch(epoch: number): Epoch | undefined {
      const bytes = environment.tables.epochs.get(epoch)
      return bytes && decodeEpoch(bytes)
    },

    putEpoch(epoch: Epoch): void {
      environment.tables.epochs.put(epoch.epoch, encodeEpoch(epoch))
    },

    dropEpochs({ epoch, head }): void {
      const { epochs, content_fits: fits } = environment.tables
      for (const key of [...epochs.keys(0, epoch)]) epochs.remove(key)
      for (const key of [...fits.keys(0, head)]) fits.remove(key)
    },

    contentFit(head: number): ContentFit | undefined {
      const bytes = environment.tables.content_fits.get(head)
      return bytes && decodeContentFit(bytes)
    },

    putContentFit(head: number, fit: ContentFit): void {
      environment.tables.content_fits.put(head, encodeContentFit(fit))
    },

    *pendingLabels(): Iterable<port.PendingLabel> {
      const { labels } = environment.tables
      for (const key of [...labels.keys(pair(0, 0), pair(1, 0))])
        yield parseJson<port.PendingLabel>(labels.get(key)!)
    },

    putPendingImport(pending: port.PendingImport, labels: Iterable<port.PendingLabel>): void {
      tables.dropPendingImport()
      writeMeta(environment, 'pending_import', pending)
      let ordinal = 0
      for (const label of labels)
        environment.tables.labels.put(pair(0, ordinal++), Buffer.from(JSON.stringify(label)))
    },

    dropPendingLabel(userId: string): void {
      const { labels } = environment.tables
      for (const key of [...labels.keys(pair(0, 0), pair(1, 0))]) {
        const label = JSON.parse(labels.get(key)!.toString('utf8')) as { userId: UserId }
        if (label.userId === userId) labels.remove(key)
      }
    },

    dropPendingImport(): void {
      writeMeta(environment, 'pending_import', null)
      tables.dropVersion(0)
    },
  }
  return tables
}
