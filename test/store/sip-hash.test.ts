// SipHash against the reference implementation's published vectors (key 00 01 … 0f, messages 00 01 …) and, for texts
// that are not ASCII and other keys, against an independent implementation over arbitrary-precision integers.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { sipHash128 } from '../../src/store/lmdb/sip-hash.ts'

const vectorKey = Uint8Array.from({ length: 16 }, (_, i) => i)

function hexOf(value: string, key: Uint8Array = vectorKey): string {
  const out = new Uint32Array(4)
  sipHash128(value, new Uint32Array(Uint8Array.from(key).buffer), out)
  return Buffer.from(out.buffer).toString('hex')
}

/** The message of the vectors: bytes 0, 1, 2 …, all of them ASCII. */
function message(length: number): string {
  return String.fromCharCode(...Array.from({ length }, (_, i) => i))
}

/** The paper's description, word for word, over BigInt. */
function reference(message: Buffer, key: Buffer): string {
  const wrap = (x: bigint) => BigInt.asUintN(64, x)
  const rotated = (x: bigint, by: bigint) => wrap((x << by) | (x >> (64n - by)))
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)]
  const start = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n] as const
  let [a, b, c, d] = [k0 ^ start[0], k1 ^ start[1] ^ 0xeen, k0 ^ start[2], k1 ^ start[3]]
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      a = wrap(a + b)
      c = wrap(c + d)
      b = rotated(b, 13n) ^ a
      d = rotated(d, 16n) ^ c
      a = wrap(rotated(a, 32n) + d)
      c = wrap(c + b)
      b = rotated(b, 17n) ^ c
      d = rotated(d, 21n) ^ a
      c = rotated(c, 32n)
    }
  }
  const padded = Buffer.alloc((message.length & ~7) + 8)
  message.copy(padded)
  padded[padded.length - 1] = message.length
  for (let at = 0; at < padded.length; at += 8) {
    d ^= padded.readBigUInt64LE(at)
    rounds(2)
    a ^= padded.readBigUInt64LE(at)
  }
  const out = Buffer.alloc(16)
  c ^= 0xeen
  rounds(4)
  out.writeBigUInt64LE(a ^ b ^ c ^ d, 0)
  b ^= 0xddn
  rounds(4)
  out.writeBigUInt64LE(a ^ b ^ c ^ d, 8)
  return out.toString('hex')
}

describe('SipHash-2-4-128', () => {
  it('gives the published vectors', () => {
    assert.equal(hexOf(message(0)), 'a3817f04ba25a8e66df67214c7550293')
    assert.equal(hexOf(message(1)), 'da87c1d86b99af44347659119b22fc45')
    assert.equal(hexOf(message(2)), '8177228da4a45dc7fca38bdef60affe4')
    assert.equal(hexOf(message(8)), '3b62a9ba6258f5610f83e264f31497b4')
    assert.equal(hexOf(message(63)), '5150d1772f50834a503e069a973fbd7c')
  })

  it('hashes the UTF-8 of any text under any key', () => {
    const keys = fc.uint8Array({ minLength: 16, maxLength: 16 })
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 90 }),
      fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.constant('é'.repeat(3000)),
    )
    fc.assert(
      fc.property(texts, keys, (text, key) => {
        const well = text.toWellFormed()
        assert.equal(hexOf(well, key), reference(Buffer.from(well, 'utf8'), Buffer.from(key)))
      }),
      { numRuns: 300 },
    )
  })
})
