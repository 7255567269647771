// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012) in 32-bit halves: a keyed hash of short texts that
// costs a tenth of a call into a cryptographic library; without the key nobody can make two texts collide.
import { assert } from '../../core/assert.ts'

/** The four 64-bit words of the state: v0 low, v0 high, v1 low … */
const state = new Int32Array(8)
let text = Buffer.alloc(1024)

/** Writes the hash of `value` (its UTF-8) under `key` (16 bytes as four little-endian words) into `out`, likewise. */
export function sipHash128(value: string, key: Uint32Array, out: Uint32Array): void {
  assert(key.length === 4 && out.length === 4, 'words of key and hash')
  const v = state
  v[0] = key[0]! ^ 0x70736575
  v[1] = key[1]! ^ 0x736f6d65
  v[2] = key[2]! ^ 0x6e646f6d ^ 0xee
  v[3] = key[3]! ^ 0x646f7261
  v[4] = key[0]! ^ 0x6e657261
  v[5] = key[1]! ^ 0x6c796765
  v[6] = key[2]! ^ 0x79746573
  v[7] = key[3]! ^ 0x74656462
  const length = writeText(value)
  const last = length & ~7
  for (let at = length; at < last + 7; at++) text[at] = 0
  text[last + 7] = length
  for (let at = 0; at <= last; at += 8) {
    const low = wordAt(at)
    const high = wordAt(at + 4)
    v[6]! ^= low
    v[7]! ^= high
    rounds(2)
    v[0]! ^= low
    v[1]! ^= high
  }
  v[4]! ^= 0xee
  rounds(4)
  out[0] = v[0]! ^ v[2]! ^ v[4]! ^ v[6]!
  out[1] = v[1]! ^ v[3]! ^ v[5]! ^ v[7]!
  v[2]! ^= 0xdd
  rounds(4)
  out[2] = v[0]! ^ v[2]! ^ v[4]! ^ v[6]!
  out[3] = v[1]! ^ v[3]! ^ v[5]! ^ v[7]!
}

/** SipRounds: a low half that came out smaller than what was added to it carries into the high half. */
function rounds(count: number): void {
  let v0 = state[0]!
  let w0 = state[1]!
  let v1 = state[2]!
  let w1 = state[3]!
  let v2 = state[4]!
  let w2 = state[5]!
  let v3 = state[6]!
  let w3 = state[7]!
  for (let i = 0; i < count; i++) {
    let low = (v0 + v1) | 0
    w0 = (w0 + w1 + (low >>> 0 < v0 >>> 0 ? 1 : 0)) | 0
    v0 = low
    low = ((v1 << 13) | (w1 >>> 19)) ^ v0
    w1 = ((w1 << 13) | (v1 >>> 19)) ^ w0
    v1 = low
    low = w0 // v0 turned by 32
    w0 = v0
    v0 = low
    low = (v2 + v3) | 0
    w2 = (w2 + w3 + (low >>> 0 < v2 >>> 0 ? 1 : 0)) | 0
    v2 = low
    low = ((v3 << 16) | (w3 >>> 16)) ^ v2
    w3 = ((w3 << 16) | (v3 >>> 16)) ^ w2
    v3 = low
    low = (v0 + v3) | 0
    w0 = (w0 + w3 + (low >>> 0 < v0 >>> 0 ? 1 : 0)) | 0
    v0 = low
    low = ((v3 << 21) | (w3 >>> 11)) ^ v0
    w3 = ((w3 << 21) | (v3 >>> 11)) ^ w0
    v3 = low
    low = (v2 + v1) | 0
    w2 = (w2 + w1 + (low >>> 0 < v2 >>> 0 ? 1 : 0)) | 0
    v2 = low
    low = ((v1 << 17) | (w1 >>> 15)) ^ v2
    w1 = ((w1 << 17) | (v1 >>> 15)) ^ w2
    v1 = low
    low = w2 // v2 turned by 32
    w2 = v2
    v2 = low
  }
  state[0] = v0
  state[1] = w0
  state[2] = v1
  state[3] = w1
  state[4] = v2
  state[5] = w2
  state[6] = v3
  state[7] = w3
}

/** The UTF-8 of `value` at the front of `text`, with room for the last block; returns its length. */
function writeText(value: string): number {
  const roomMin = value.length * 3 + 8
  if (text.length < roomMin) text = Buffer.alloc(roomMin * 2)
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (unit >= 0x80) return text.write(value, 0, 'utf8')
    text[i] = unit
  }
  return value.length
}

function wordAt(at: number): number {
  return text[at]! | (text[at + 1]! << 8) | (text[at + 2]! << 16) | (text[at + 3]! << 24)
}
