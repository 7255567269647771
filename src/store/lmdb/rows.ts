// Binary forms of the rows: fixed little-endian layouts, so that reading one costs a copy and no parser.
import { assert } from '../../core/assert.ts'
import type { Edge } from '../../core/edge.ts'
import type { ProductId, UserId } from '../../core/ids.ts'
import { methods, statuses } from '../../core/persona.ts'
import type { ShareList } from '../../core/prototype.ts'
import type { ProductRow, QuarantinedRecord, UserRow, VectorRow } from '../port.ts'

const userHeader = 64

/**
 * status u8, method u8, scores u16, held u16, id bytes u16, version, sequence u32, primary i32, epoch u32, five f64, then
 * the lists (as many probabilities as scores where there is an epoch) and the id.
 */
export function encodeUser(row: UserRow): Buffer {
  const idBytes = Buffer.byteLength(row.userId)
  const lists = (row.scores.length + row.probabilities.length) * 8 + row.held.length * 10
  const buffer = Buffer.allocUnsafe(userHeader + lists + idBytes)
  assert(row.epoch === 0 || row.probabilities.length === row.scores.length, 'a probability a score')
  buffer.writeUInt8(statuses.indexOf(row.status), 0)
  buffer.writeUInt8(methods.indexOf(row.method), 1)
  buffer.writeUInt16LE(row.scores.length, 2)
  buffer.writeUInt16LE(row.held.length, 4)
  buffer.writeUInt16LE(idBytes, 6)
  buffer.writeUInt32LE(row.version, 8)
  buffer.writeUInt32LE(row.sequence, 12)
  buffer.writeInt32LE(row.primary, 16)
  buffer.writeUInt32LE(row.epoch, 20)
  buffer.writeDoubleLE(row.weight, 24)
  buffer.writeDoubleLE(row.scoreWeight, 32)
  buffer.writeDoubleLE(row.position, 40)
  buffer.writeDoubleLE(row.halfWidth, 48)
  buffer.writeDoubleLE(0, 56)
  let at = userHeader
  for (const list of [row.scores, row.probabilities])
    for (let c = 0; c < list.length; c++, at += 8) buffer.writeDoubleLE(list[c]!, at)
  for (const { persona, since } of row.held) {
    buffer.writeUInt16LE(persona, at)
    buffer.writeDoubleLE(since, at + 2)
    at += 10
  }
  buffer.write(row.userId, at, 'utf8')
  return buffer
}

export function decodeUser(buffer: Buffer): UserRow {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length) // several times as fast as Buffer's methods
  const epoch = view.getUint32(20, true)
  const scores = new Float64Array(view.getUint16(2, true))
  const probabilities = new Float64Array(epoch === 0 ? 0 : scores.length)
  let at = userHeader
  for (let c = 0; c < scores.length; c++, at += 8) scores[c] = view.getFloat64(at, true)
  for (let c = 0; c < probabilities.length; c++, at += 8) probabilities[c] = view.getFloat64(at, true)
  const held: { persona: number; since: number }[] = []
  for (let n = view.getUint16(4, true); n > 0; n--, at += 10)
    held.push({ persona: view.getUint16(at, true), since: view.getFloat64(at + 2, true) })
  return {
    userId: buffer.toString('utf8', at, at + view.getUint16(6, true)) as UserId,
    status: statuses[view.getUint8(0)]!,
    method: methods[view.getUint8(1)]!,
    version: view.getUint32(8, true),
    sequence: view.getUint32(12, true),
    weight: view.getFloat64(24, true),
    scoreWeight: view.getFloat64(32, true),
    scores,
    held,
    primary: view.getInt32(16, true),
    position: view.getFloat64(40, true),
    halfWidth: view.getFloat64(48, true),
    epoch,
    probabilities,
  }
}

type StoredText = [head: number, title: string | null, category: string | null]
type StoredProduct = [ProductId, string | null, string | null, StoredText[]?]

/** A product as JSON: [id, title, category], and the texts that it had under content fits. */
export function encodeProduct({ productId, title, category, former }: ProductRow): Buffer {
  const row: StoredProduct = [productId, title ?? null, category ?? null]
  if (former !== undefined)
    row.push(former.map((text) => [text.head, text.title ?? null, text.category ?? null]))
  return Buffer.from(JSON.stringify(row))
}

export function decodeProduct(buffer: Buffer): ProductRow {
  const [productId, title, category, former] = JSON.parse(buffer.toString('utf8')) as StoredProduct
  const row = { productId, title: title ?? undefined, category: category ?? undefined }
  if (former === undefined) return row
  const texts = former.map(([head, was, of]) => ({
    head,
    title: was ?? undefined,
    category: of ?? undefined,
  }))
  return { ...row, former: texts }
}

/** product u32, slots u32 × 2, views, carts, reviews u32, net, first and last time f64. */
export const edgeBytes = 48
/** A slot that says: not in the lists. */
export const noSlot = 2 ** 32 - 1
export type StoredEdge = { readonly edge: Edge; readonly userSlot: number; readonly productSlot: number }

export function writeEdge(
  view: DataView,
  at: number,
  product: number,
  { edge, userSlot, productSlot }: StoredEdge,
): void {
  view.setUint32(at, product, true)
  view.setUint32(at + 4, userSlot, true)
  view.setUint32(at + 8, productSlot, true)
  view.setUint32(at + 12, edge.views, true)
  view.setUint32(at + 16, edge.carts, true)
  view.setUint32(at + 20, edge.reviews, true)
  view.setFloat64(at + 24, edge.net, true)
  view.setFloat64(at + 32, edge.firstTs, true)
  view.setFloat64(at + 40, edge.lastTs, true)
}

export function readEdge(view: DataView, at: number): StoredEdge {
  return {
    edge: {
      net: view.getFloat64(at + 24, true),
      views: view.getUint32(at + 12, true),
      carts: view.getUint32(at + 16, true),
      reviews: view.getUint32(at + 20, true),
      firstTs: view.getFloat64(at + 32, true),
      lastTs: view.getFloat64(at + 40, true),
    },
    userSlot: view.getUint32(at + 4, true),
    productSlot: view.getUint32(at + 8, true),
  }
}

export function productOfEdge(view: DataView, at: number): number {
  return view.getUint32(at, true)
}

/** M f64, published at f64, B (C × f64), b̂ (C × u32). */
export function encodeVector({ mass, b, published, publishedAt }: VectorRow): Buffer {
  const buffer = Buffer.allocUnsafe(16 + b.length * 12)
  buffer.writeDoubleLE(mass, 0)
  buffer.writeDoubleLE(publishedAt, 8)
  for (let c = 0; c < b.length; c++) {
    buffer.writeDoubleLE(b[c]!, 16 + c * 8)
    buffer.writeUInt32LE(published[c]!, 16 + b.length * 8 + c * 4)
  }
  return buffer
}

export function decodeVector(buffer: Buffer): VectorRow {
  const personas = (buffer.length - 16) / 12
  const b = new Float64Array(personas)
  const published = new Float64Array(personas)
  for (let c = 0; c < personas; c++) {
    b[c] = buffer.readDoubleLE(16 + c * 8)
    published[c] = buffer.readUInt32LE(16 + personas * 8 + c * 4)
  }
  return { mass: buffer.readDoubleLE(0), publishedAt: buffer.readDoubleLE(8), b, published }
}

export function encodeShares(shares: ShareList): Buffer {
  const buffer = Buffer.allocUnsafe(shares.length * 6)
  shares.forEach(({ persona, share }, i) => {
    buffer.writeUInt16LE(persona, i * 6)
    buffer.writeUInt32LE(share, i * 6 + 2)
  })
  return buffer
}

export function decodeShares(buffer: Buffer, from = 0): ShareList {
  const shares: { persona: number; share: number }[] = []
  for (let at = from; at < buffer.length; at += 6)
    shares.push({ persona: buffer.readUInt16LE(at), share: buffer.readUInt32LE(at + 2) })
  return shares
}

/** JSON header, its length before it (u32), the record's bytes behind it. */
export function encodeQuarantined({
  source,
  offset,
  format,
  cause,
  bytes,
  envelope,
}: Omit<QuarantinedRecord, 'id'>): Buffer {
  const header = Buffer.from(JSON.stringify({ source, offset, format, cause, envelope }))
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(header.length)
  return Buffer.concat([length, header, bytes])
}

export function decodeQuarantined(id: number, buffer: Buffer): QuarantinedRecord {
  const end = 4 + buffer.readUInt32LE(0)
  const header = JSON.parse(buffer.toString('utf8', 4, end)) as Omit<QuarantinedRecord, 'id' | 'bytes'>
  return { id, ...header, bytes: Buffer.from(buffer.subarray(end)) }
}
