// Group commit: what arrives while a flush is under way shares the next one; nothing is acknowledged before it is on disk.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AppendableLog, LogAppender } from '../../src/source/log-appender.ts'
import type { BlockInput } from '../../src/source/log-block.ts'

type Flush = { readonly blocks: number; resolve(): void; reject(error: Error): void }

/** A log whose flushes the test ends by hand. */
function logByHand(): AppendableLog & {
  readonly flushes: Flush[]
  readonly texts: string[]
  fail: Error | undefined
} {
  const flushes: Flush[] = []
  const texts: string[] = []
  let flushed: Promise<void> = Promise.resolve()
  return {
    flushes,
    texts,
    fail: undefined,
    append(blocks) {
      if (this.fail !== undefined) throw this.fail
      const first = texts.length
      for (const { records } of blocks) texts.push(...records.map((record) => Buffer.from(record).toString()))
      flushed = new Promise((resolve, reject) => flushes.push({ blocks: blocks.length, resolve, reject }))
      return { first, next: texts.length }
    },
    flushed: () => flushed,
  }
}

function block(...texts: string[]): BlockInput {
  return { format: { kind: 'json' }, records: texts.map((text) => Buffer.from(text)) }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('the appender', () => {
  it('puts what arrives during a flush into the next one, and tells each where it is', async () => {
    const log = logByHand()
    const appender = new LogAppender(log)
    const acknowledged: string[] = []
    const append = (...texts: string[]) =>
      appender
        .append(block(...texts))
        .then(({ first, next }) => acknowledged.push(`${texts}@${first}-${next}`))
    const all = [append('a'), append('b', 'c')]
    await turn()
    all.push(append('d'), append('e'), append('f'))
    await turn()
    assert.deepEqual([log.flushes.length, acknowledged], [1, []], 'not on disk yet')
    log.flushes[0]!.resolve()
    await turn()
    assert.deepEqual(acknowledged, ['a@0-1', 'b,c@1-3'])
    assert.equal(log.flushes[1]?.blocks, 3)
    log.flushes[1]!.resolve()
    await Promise.all(all)
    assert.deepEqual(acknowledged.slice(2), ['d@3-4', 'e@4-5', 'f@5-6'])
    assert.deepEqual(log.texts, ['a', 'b', 'c', 'd', 'e', 'f'])
    await appender.idle()
  })

  it('tells those whose flush or append failed, and goes on with the next', async () => {
    const log = logByHand()
    const appender = new LogAppender(log)
    const first = appender.append(block('a'))
    const refused = assert.rejects(first, /no space/)
    await turn()
    const second = appender.append(block('b'))
    log.flushes[0]!.reject(new Error('no space'))
    await refused
    await turn()
    log.flushes[1]!.resolve()
    assert.deepEqual(await second, { first: 1, next: 2 })
    log.fail = new Error('no space either')
    await assert.rejects(appender.append(block('c')), /no space either/)
    log.fail = undefined
    const last = appender.append(block('d'))
    await turn()
    log.flushes[2]!.resolve()
    assert.deepEqual(await last, { first: 2, next: 3 })
    assert.equal(appender.full, false)
  })

  it('is full past 64 MiB that wait, and no longer when they are on disk', async () => {
    const log = logByHand()
    const appender = new LogAppender(log)
    const large = 'x'.repeat(1 << 20)
    const waiting = Array.from({ length: 63 }, () => appender.append(block(large)))
    assert.equal(appender.full, false)
    waiting.push(appender.append(block(large)))
    assert.equal(appender.full, true)
    await turn()
    log.flushes[0]!.resolve()
    await Promise.all(waiting)
    await appender.idle()
    assert.equal(appender.full, false)
  })
})
