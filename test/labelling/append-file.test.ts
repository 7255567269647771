// The append-only file: what was appended is there, half a line is not, and what somebody wrote into it is told.
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FatalError } from '../../src/errors.ts'
import { AppendFile } from '../../src/labelling/append-file.ts'
import { withDirectory } from '../support/command.ts'

type Entry = { readonly n: number; readonly text: string }

describe('an append-only file', () => {
  it('cut at any byte holds the entries that were whole, and goes on behind them', () =>
    withDirectory(async (dir) => {
      const entries = ['plain', 'two\nlines', '家, "quoted"'].map((text, n) => ({ n, text }))
      const path = join(dir, 'whole.ndjson')
      const { file } = AppendFile.open<Entry>(path)
      file.append(entries)
      file.close()
      const bytes = readFileSync(path)
      fc.assert(
        fc.property(fc.nat(bytes.length), (at) => {
          const cut = join(dir, 'cut.ndjson')
          writeFileSync(cut, bytes)
          truncateSync(cut, at)
          const whole = bytes.subarray(0, at).toString('latin1').split('\n').length - 1
          const opened = AppendFile.open<Entry>(cut)
          assert.deepEqual(opened.entries, entries.slice(0, whole))
          opened.file.append([{ n: 9, text: 'next' }])
          opened.file.close()
          const again = AppendFile.open<Entry>(cut)
          again.file.close()
          assert.deepEqual(again.entries, [...entries.slice(0, whole), { n: 9, text: 'next' }])
        }),
      )
    }))

  it('tells of a whole line that is no entry, and leaves it', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'entries.ndjson')
      writeFileSync(path, '{"n":1}\nby hand\n')
      assert.throws(
        () => AppendFile.open(path),
        (error) => error instanceof FatalError && /entries\.ndjson, line 2, is not JSON/.test(error.message),
      )
      assert.equal(readFileSync(path, 'utf8'), '{"n":1}\nby hand\n')
    }))

  it('is replaced whole, and appended to after', () =>
    withDirectory(async (dir) => {
      const path = join(dir, 'entries.ndjson')
      const { file } = AppendFile.open<Entry>(path)
      file.append([1, 2, 3].map((n) => ({ n, text: 'old' })))
      file.rewrite([{ n: 2, text: 'old' }])
      file.append([{ n: 4, text: 'new' }])
      file.close()
      appendFileSync(path, '{"n":5')
      const opened = AppendFile.open<Entry>(path)
      opened.file.close()
      assert.deepEqual(
        opened.entries.map(({ n }) => n),
        [2, 4],
      )
    }))
})
