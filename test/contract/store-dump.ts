// Contract of the store: everything a reader can see, as one value to compare.
import type { UserIndex } from '../../src/core/ids.ts'
import type { StoreReader } from '../../src/store/port.ts'
import { buyersOf, oddIds, productsAt, productsOf, usersAt } from './store-fixtures.ts'

/** Versions, sources, sinks and ids that the dump asks for by name. */
export const dumpedVersions = [0, 1, 2, 3]
export const dumpedNames = [...oddIds, ...Array.from({ length: 12 }, (_, i) => `name ${i}`)]

export function dumpOf(reader: StoreReader): Record<string, unknown> {
  return {
    counters: { ...reader.counters() },
    ...usersOf(reader),
    ...productsOfStore(reader),
    ...versionsOf(reader),
    watermarks: Object.entries(reader.watermarks()).sort(byName),
    watermarksOneByOne: dumpedNames.map((name) => reader.watermark(name)),
    journal: [...reader.journal()],
    changes: reader.changes(0, 1_000_000),
    erasures: reader.erasures(0, 1_000_000),
    schemas: dumpedNames.map((name) => reader.schema(name)),
    sinkCursors: dumpedNames.map((name) => reader.sinkCursor(name)),
    sinkCursorsAll: reader.sinkCursors().toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    quarantined: reader
      .quarantinedRecords(0, 1_000_000)
      .map(({ bytes, ...rest }) => ({ ...rest, bytes: [...bytes] })),
    tombstones: dumpedNames.map((name) => tombstoneOf(reader, name)),
    tombstoneCount: reader.tombstoneCount(),
    scrubs: reader.scrubs().map(({ scrub }) => scrub),
  }
}

function usersOf(reader: StoreReader) {
  return {
    userIndices: dumpedNames.map((name) => reader.userIndexOf(name)),
    users: [...reader.users()].map((user) => ({
      user,
      row: reader.user(user),
      edges: [...reader.edgesOf(user)].map(({ product, edge }) => ({
        product,
        edge,
        same: reader.edge(user, product),
      })),
      products: productsOf(reader, user),
      productsAt: productsAt(reader, user),
    })),
    removed: Array.from({ length: reader.counters().userIndices }, (_, i) => i as UserIndex)
      .filter((user) => reader.user(user) === undefined)
      .map((user) => ({ user, edges: [...reader.edgesOf(user)], degree: reader.userDegree(user) })),
  }
}

function productsOfStore(reader: StoreReader) {
  return {
    productIndices: dumpedNames.map((name) => reader.productIndexOf(name)),
    products: [...reader.products()].map((product) => ({
      product,
      row: { ...reader.product(product) },
      buyers: buyersOf(reader, product),
      buyersAt: usersAt(reader, product),
      vectors: dumpedVersions.map((version) => reader.vector(version, product)),
    })),
  }
}

function versionsOf(reader: StoreReader) {
  const pending = reader.pendingImport()
  return {
    versions: dumpedVersions.map((version) => reader.version(version)),
    labels: dumpedVersions.slice(1).map((version) => [...reader.labels(version)]),
    pendingImport: pending && { version: pending.version, at: pending.at },
    pendingLabels: [...reader.pendingLabels()],
  }
}

function tombstoneOf(reader: StoreReader, name: string) {
  const tombstone = reader.tombstone(name)
  return (
    tombstone && {
      position: tombstone.position,
      watermarks: Object.entries(tombstone.watermarks).sort(byName),
    }
  )
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}
