// Kafka's compression for kafkajs, which itself knows gzip alone: snappy, lz4 and zstd, as Kafka's own clients write and read them.
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { decompress as decompressZstd } from 'fzstd'
import { compressFrame, decompressFrame } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'
import { FatalError } from '../errors.ts'
import { CompressionCodecs, CompressionTypes } from './kafkajs.ts'

export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

type Codec = {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

const types = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
} as const satisfies Record<CompressionName, CompressionTypes>

/** Makes kafkajs read and write all of Kafka's codecs; doing it again changes nothing. */
export function registerCompression(): void {
  const codecs = CompressionCodecs
  codecs[CompressionTypes.Snappy] = () => snappy
  codecs[CompressionTypes.LZ4] = () => lz4
  codecs[CompressionTypes.ZSTD] = () => zstd
}

/** What a producer is told. Throws a FatalError for zstd where this Node cannot write it; all can be read everywhere. */
export function compressionOf(name: CompressionName): CompressionTypes {
  if (name === 'zstd') zstdCompressor()
  return types[name]
}

/** The stream format of snappy-java: a header, then blocks of raw snappy, each after its length. Big-endian throughout. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeader = Buffer.concat([xerialMagic, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])])
const xerialBlockBytesMax = 32 * 1024

const snappy: Codec = {
  async compress({ buffer }) {
    const parts: Buffer[] = [xerialHeader]
    for (let at = 0; at < buffer.length; at += xerialBlockBytesMax) {
      const block = compressSync(buffer.subarray(at, at + xerialBlockBytesMax))
      const length = Buffer.alloc(4)
      length.writeUInt32BE(block.length)
      parts.push(length, block)
    }
    return Buffer.concat(parts)
  },
  /** Clients not built on Java's write one raw block. */
  async decompress(bytes) {
    return xerialMagic.equals(bytes.subarray(0, xerialMagic.length)) ? unframed(bytes) : raw(bytes)
  },
}

/** One frame a batch, as Kafka wants it: of independent blocks. */
const lz4: Codec = {
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: (bytes) => decompressFrame(bytes),
}

const zstd: Codec = {
  compress: async ({ buffer }) => zstdCompressor()(buffer),
  decompress: async (bytes) =>
    zstdOfNode.zstdDecompress === undefined
      ? Buffer.from(decompressZstd(bytes))
      : promisify(zstdOfNode.zstdDecompress)(bytes),
}

type Transform = (bytes: Buffer, done: (error: Error | null, result: Buffer) => void) => void
/** Node has it from 22.15 on. */
const zstdOfNode = zlib as typeof zlib & {
  readonly zstdCompress?: Transform
  readonly zstdDecompress?: Transform
}

function zstdCompressor(): (bytes: Buffer) => Promise<Buffer> {
  if (zstdOfNode.zstdCompress === undefined)
    throw new FatalError(
      `Node ${process.versions.node} cannot compress with zstd: use Node 22.15 or later, or gzip, snappy or lz4`,
    )
  return promisify(zstdOfNode.zstdCompress)
}

function unframed(bytes: Buffer): Buffer {
  const blocks: Buffer[] = []
  for (let at = xerialHeader.length; at < bytes.length; ) {
    const start = at + 4
    at = start + bytes.readUInt32BE(at)
    if (at > bytes.length) throw new Error(`snappy block ends at ${at} of ${bytes.length} bytes`)
    blocks.push(raw(bytes.subarray(start, at)))
  }
  return Buffer.concat(blocks)
}

function raw(bytes: Buffer): Buffer {
  return uncompressSync(bytes) as Buffer // a string only when asked for
}
