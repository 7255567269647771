// The change file: torn at any byte it is mended, deleted it is written again, and a file of somebody else is left alone.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { configFrom } from '../../src/config.ts'
import { Relay } from '../../src/pipeline/relay.ts'
import { openReader } from '../../src/profiler.ts'
import { openChangeFile } from '../../src/sink/change-file.ts'
import { fold, foldedExport, withoutRepeats } from '../support/change-fold.ts'
import { makeDirectory, removeDirectory, run, succeed, withDirectory } from '../support/command.ts'
import { ndjson, type ShopFiles, type ShopLines, smallShop, writeShop } from '../support/shop-files.ts'

/** A file that was never a change file; it ends without a line end. */
const notes = 'What I must not lose:\nthe last line'

describe('the change file of a replay', () => {
  let dir: string
  let files: ShopFiles
  let whole: Buffer
  const data = () => join(dir, 'data')
  const changes = () => join(dir, 'changes.ndjson')
  const replay = () => succeed(replayOf(files, data(), changes()))

  before(async () => {
    dir = makeDirectory()
    files = writeShop(dir, widened(smallShop({ seed: 3, shoppers: 60 })))
    await replay()
    whole = readFileSync(changes())
  })
  after(() => removeDirectory(dir))

  it('goes on where it was cut, at any byte of its last lines', async () => {
    const store = openReader({ dir: data(), config: configFrom({}) })
    try {
      const from = lineStart(whole, 3)
      assert.ok(
        whole.subarray(from).some((byte) => byte >= 0x80),
        'characters of several bytes',
      )
      for (let end = from; end <= whole.length; end++) {
        writeFileSync(changes(), whole.subarray(0, end))
        const sink = openChangeFile(changes(), store)
        const relay = new Relay(store, { sinks: [sink], deadLetters: undefined })
        relay.advance(store.counters())
        await relay.settled()
        await sink.close()
        assert.ok(readFileSync(changes()).equals(whole), `cut after ${end} of ${whole.length} bytes`)
      }
    } finally {
      await store.close()
    }
  })

  for (const [where, cut] of [
    ['in the middle of a line', () => Math.floor((lineStart(whole, 1) + whole.length) / 2)],
    ['in the middle of a character', () => whole.findLastIndex((byte) => byte >= 0x80 && byte < 0xc0)],
    ['at its beginning', () => 0],
  ] as const)
    it(`is mended by the next replay when cut ${where}`, async () => {
      writeFileSync(changes(), whole)
      truncateSync(changes(), cut())
      await replay()
      assert.ok(readFileSync(changes()).equals(whole))
    })

  it('is written again from the beginning when it was deleted', async () => {
    rmSync(changes())
    await replay()
    assert.ok(readFileSync(changes()).equals(whole))
  })

  it('is refused by another data directory, and not touched', async () => {
    writeFileSync(changes(), whole)
    const { code, stderr } = await run(replayOf(files, join(dir, 'other'), changes()))
    assert.equal(code, 2)
    assert.match(stderr, /^kindred: .*does not hold; name another file for --changes\n$/)
    assert.ok(readFileSync(changes()).equals(whole))
  })

  for (const [what, text] of [
    ['a text', notes],
    ['one line without an end', 'precious'],
    ['a text with a line end', `${notes}\n`],
    ['NDJSON of something else', '{"a":1}\n'],
    ['events without a last line end', '{"event_id":"1","user_id":"a"}\n{"event_id":"2","user_id":"b"}'],
    ['null', 'null\n'],
  ] as const)
    it(`is not taken for one when it is ${what}: refused, and not touched`, async () => {
      const file = join(dir, `${what}.txt`)
      writeFileSync(file, text)
      const { code, stderr } = await run(replayOf(files, data(), file))
      assert.ok(readFileSync(file, 'utf8') === text, 'the file was changed')
      assert.equal(code, 2)
      assert.match(stderr, /name another file for --changes\n$/)
    })
})

describe('change events that a file has not taken yet', () => {
  it('are kept for it whatever the retention, while others write without it', () =>
    withDirectory(async (dir) => {
      const { events, prototypes } = smallShop({ seed: 4, shoppers: 120 })
      const third = Math.ceil(events.length / 3)
      const parts = [0, 1, 2].map((n) => join(dir, `part-${n}.ndjson`))
      parts.forEach((file, n) => {
        writeFileSync(file, ndjson(events.slice(n * third, (n + 1) * third)))
      })
      const labels = join(dir, 'prototypes.ndjson')
      writeFileSync(labels, ndjson(prototypes))
      const [data, changes] = [join(dir, 'data'), join(dir, 'changes.ndjson')]
      const env = { KINDRED_CHANGES_RETENTION: '0' }
      const toFile = ['--changes', changes]
      await succeed(['replay', parts[0]!, '--data', data, '--prototypes', labels, ...toFile], { env })
      const { size } = statSync(changes)
      await succeed(['replay', parts[1]!, '--data', data], { env })
      await succeed(['replay', parts[2]!, '--data', data, ...toFile], { env })
      assert.ok(statSync(changes).size > size)
      const folded = fold(withoutRepeats(readFileSync(changes, 'utf8')))
      assert.deepEqual(folded, foldedExport(await succeed(['export', 'users', '--data', data])))
    }))
})

function replayOf({ events, prototypes }: ShopFiles, data: string, changes: string): string[] {
  return ['replay', events, '--data', data, '--prototypes', prototypes, '--changes', changes]
}

/** Names with characters of two, three and four bytes in every event and label. */
function widened({ events, prototypes }: ShopLines): ShopLines {
  return {
    events: events.map((line) => line.replace('"title":"', '"title":"é 漢 🛒 ')),
    prototypes: prototypes.map((line) => {
      const { user_id, personas } = JSON.parse(line) as { user_id: string; personas: object }
      const names = Array.isArray(personas) ? personas : Object.keys(personas)
      return JSON.stringify({ user_id, personas: names.map((name) => `${name} — 👶`) })
    }),
  }
}

/** Where the last `lines` lines begin. */
function lineStart(bytes: Buffer, lines: number): number {
  let at = bytes.length - 1
  for (let n = 0; n < lines; n++) at = bytes.lastIndexOf(10, at - 1)
  return at + 1
}
