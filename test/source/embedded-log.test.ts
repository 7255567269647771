// The embedded log: records in order at their offsets, marks with them, retention that keeps up, bytes that can be erased.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { configFrom } from '../../src/config.ts'
import { openLog, openProfiler } from '../../src/profiler.ts'
import type { EmbeddedLog } from '../../src/source/embedded-log.ts'
import { decodeBlock, encodeBlock, scrubBlock } from '../../src/source/log-block.ts'
import type { SourceRecord } from '../../src/source/port.ts'
import { withDirectory } from '../support/command.ts'
import { purchases } from '../support/events.ts'

const config = configFrom({})
const json = { kind: 'json' } as const

describe('the embedded log', () => {
  it('gives back what was appended, at consecutive offsets, from any offset and at any pace', () =>
    withLog((log) => {
      const texts: string[] = []
      for (const size of [1, 5, 1, 300, 2]) {
        const records = Array.from({ length: size }, (_, n) => `${texts.length + n}: é👶`)
        const { first, next } = log.append([
          { format: json, records: records.map((text) => Buffer.from(text)) },
        ])
        assert.deepEqual([first, next], [texts.length, texts.length + size])
        texts.push(...records)
      }
      assert.equal(log.end, texts.length)
      for (const from of [0, 1, 3, 6, 7, 200, 306, 308, 309])
        for (const most of [1, 2, 7, 1000]) {
          const batch = log.read(from, most)
          const expected = texts.slice(from, from + most)
          assert.deepEqual(batch?.records.map(({ text }) => text) ?? [], expected)
          assert.deepEqual(
            batch?.records.map(({ offset }) => offset) ?? [],
            expected.map((_, n) => from + n),
          )
          assert.equal(batch?.next ?? from, from + expected.length)
        }
    }))

  it(
    'is looked at by who waits for it as soon as another thread says that it has appended',
    { timeout: 30_000 },
    () =>
      withDirectory(async (dir) => {
        const never = 2 ** 30
        const consumed = openLog({ dir, config }, never)
        const appended = openLog({ dir, config })
        try {
          const waiting = consumed.wait(0, new AbortController().signal)
          appended.append([{ format: json, records: [Buffer.from('x')] }])
          consumed.appended()
          await waiting
          assert.equal(consumed.end, 1)
          appended.append([{ format: json, records: [Buffer.from('y')] }])
          consumed.appended() // it has read in this turn, and does not wait yet
          await consumed.wait(1, new AbortController().signal)
          assert.equal(consumed.read(0, 9)?.next, 2)
        } finally {
          await appended.close()
          await consumed.close()
        }
      }),
  )

  it('keeps a producer’s mark with its records', () =>
    withLog((log) => {
      assert.deepEqual(log.producer('file:a'), { next: 0, finished: false })
      log.append([{ format: json, source: 'file:a', records: [Buffer.from('x')], refOffsets: [17] }], {
        name: 'file:a',
        next: 20,
      })
      assert.deepEqual(log.producer('file:a'), { next: 20, finished: false })
      log.append([], { name: 'file:a', next: 25, finished: true })
      assert.deepEqual(log.producer('file:a'), { next: 25, finished: true })
      assert.deepEqual(
        log.read(0, 9)?.records.map(({ ref }) => ref),
        [{ source: 'file:a', offset: 17 }],
      )
    }))

  it('gives no offset of the state’s twice, although its own end was lost', () =>
    withLog((log) => {
      log.append([{ format: json, records: [Buffer.from('a')] }])
      log.ensureEnd(10)
      assert.equal(log.read(1, 9), undefined)
      assert.deepEqual(log.append([{ format: json, records: [Buffer.from('b')] }]), { first: 10, next: 11 })
      assert.deepEqual(
        log.read(10, 9)?.records.map(({ text }) => text),
        ['b'],
      )
      log.ensureEnd(3)
      assert.equal(log.end, 11)
    }))

  it('drops what was consumed, and only that', () =>
    withLog((log) => {
      for (let n = 0; n < 10; n++)
        log.append([{ format: json, records: [0, 1].map((i) => Buffer.from(`${n}${i}`)) }])
      log.trim(5)
      assert.equal(log.read(0, 99), undefined)
      assert.equal(log.read(4, 99)?.records[0]?.text, '20', 'half of its block is not consumed yet')
      log.trim(20)
      assert.equal(log.read(4, 99), undefined)
      assert.equal(log.end, 20)
    }))
})

describe('retention', () => {
  it('keeps up with a log of blocks of one record each', () =>
    withDirectory(async (dir) => {
      const retention = 100
      await using profiler = openProfiler({
        dir,
        config: { ...config, logRetention: retention },
        role: 'test',
      })
      const { log, consumer } = profiler
      const blocks = purchases(20_000).map((event) => ({
        format: json,
        records: [Buffer.from(JSON.stringify(event))],
      }))
      log.append(blocks)
      await consumer.drain()
      await consumer.checkpoint()
      assert.equal(consumer.watermark, blocks.length)
      const kept = countOf(log)
      assert.ok(kept >= retention && kept < 4000, `${kept} records of ${blocks.length} are kept`)
    }))
})

describe('a block', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ min: 0x80, max: 0xc3, maxLength: 2 }),
  )
  /** One character in two records: what they are together is well-formed, and neither of them is. */
  const halves = [Uint8Array.of(0xc2), Uint8Array.of(0x80)]

  it('gives back its records, byte for byte, well-formed or not', () =>
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1 }), fc.boolean(), (records, fromFile) => {
        const refOffsets = records.map((_, n) => n * 3 + 1)
        const given = { format: json, records, ...(fromFile ? { source: 'file:x', refOffsets } : {}) }
        const decoded = decodeBlock(encodeBlock(given), { first: 40, logName: 'log' })
        assert.deepEqual(
          decoded.map((record) => Buffer.from(record.bytes())),
          records.map((record) => Buffer.from(record)),
        )
        for (const [n, { offset, ref, text, wellFormed }] of decoded.entries()) {
          assert.equal(offset, 40 + n)
          assert.deepEqual(
            ref,
            fromFile ? { source: 'file:x', offset: refOffsets[n] } : { source: 'log', offset },
          )
          assert.equal(wellFormed, Buffer.from(text).equals(Buffer.from(records[n]!)))
        }
      }),
      { examples: [[halves, false]] },
    ))

  it('can lose the bytes of some records and keeps the others, their places and their names', () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(bytes, fc.boolean()), { minLength: 1 }), (entries) => {
        const records = entries.map(([record]) => record)
        const refOffsets = records.map((_, n) => n + 7)
        const at = { first: 5, logName: 'log' }
        const block = encodeBlock({ format: json, source: 'file:x', records, refOffsets })
        const goes = (record: SourceRecord) => entries[record.offset - 5]![1]
        const scrubbed = scrubBlock(block, at, goes)
        if (!entries.some(([, gone]) => gone)) return assert.equal(scrubbed, undefined)
        for (const [n, record] of decodeBlock(scrubbed!, at).entries()) {
          const [original, gone] = entries[n]!
          assert.equal(record.format.kind, gone ? 'erased' : 'json')
          assert.deepEqual(Buffer.from(record.bytes()), Buffer.from(gone ? [] : original))
          assert.deepEqual(record.ref, { source: 'file:x', offset: n + 7 })
        }
        return assert.equal(scrubBlock(scrubbed!, at, goes), undefined, 'once is enough')
      }),
    ))
})

async function withLog(work: (log: EmbeddedLog) => void): Promise<void> {
  await withDirectory(async (dir) => {
    const log = openLog({ dir: join(dir, 'data'), config })
    try {
      work(log)
    } finally {
      await log.close()
    }
  })
}

/** Records that the log still holds. */
function countOf(log: EmbeddedLog): number {
  for (let from = 0; from < log.end; from++) if (log.read(from, 1) !== undefined) return log.end - from
  return 0
}
