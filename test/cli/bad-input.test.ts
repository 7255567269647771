// Whatever is in the input: it is applied, or it is in quarantine with its bytes and cause, or the command says what is wrong.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { badRecords, oddIds } from '../support/bad-records.ts'
import { json, lines, run, succeed, withDirectory } from '../support/command.ts'
import { csvOf, eventOf, ndjsonOf, purchases } from '../support/events.ts'
import { assertSound, exportsIn } from '../support/exports.ts'

type Quarantined = {
  id: number
  source: string
  position: number
  cause: string
  text: string
  bytes_base64: string
}

const columns = ['event_id', 'user_id', 'product_id', 'type', 'quantity', 'ts', 'title']
const good = purchases(5)
const fiveApplied = { events: 5, applied: 5, quarantined: 0 }

describe('records that cannot be applied', () => {
  it('are quarantined one by one, with bytes and cause, and nothing else is lost', () =>
    withDirectory(async (dir) => {
      const records = badRecords.flatMap(({ bytes }, n) => [goodLine(n), Buffer.from(bytes)])
      records.push(goodLine(badRecords.length))
      const file = join(dir, 'events.ndjson')
      writeFileSync(file, Buffer.concat(records.flatMap((record) => [record, Buffer.from('\n')])))
      const summary = await json(['replay', file, '--data', dir])
      const applied = badRecords.length + 1
      assert.deepEqual(pick(summary, ['events', 'applied', 'quarantined', 'users']), {
        events: applied + badRecords.length,
        applied,
        quarantined: badRecords.length,
        users: applied,
      })
      const listed = await lines<Quarantined>(['quarantine', 'list', '--data', dir])
      assert.equal(listed.length, badRecords.length)
      for (const [n, { what, bytes, cause }] of badRecords.entries()) {
        assert.match(listed[n]!.cause, cause, what)
        assert.ok(Buffer.from(listed[n]!.bytes_base64, 'base64').equals(Buffer.from(bytes)), `bytes: ${what}`)
        assert.equal(listed[n]!.position, n * 2 + 2, `line: ${what}`)
        assert.match(listed[n]!.source, /^file:[0-9a-f]{32}$/)
      }
      const shown = await succeed(['quarantine', 'list', '--data', dir])
      assert.ok(shown.includes('quantity 0 is not a whole number'))
      assert.ok(shown.split('\n').every((line) => line.length < 1000))
      const again = await json(['quarantine', 'replay', '--all', '--data', dir])
      assert.deepEqual(again, {
        tried: badRecords.length,
        released: 0,
        still_quarantined: badRecords.length,
      })
      assert.deepEqual(await lines(['quarantine', 'list', '--data', dir]), listed, 'they stay as they were')
      await assertSound(dir)
    }))

  it('may be longer than a record may be: the beginning is kept, and what follows is read', () =>
    withDirectory(async (dir) => {
      const limit = 4 * 1024 * 1024
      const fits = JSON.stringify(eventOf({ event_id: 'fits', user_id: 'fits', title: '' }))
      const filled = fits.replace('"title":""', `"title":"${'t'.repeat(limit - fits.length)}"`)
      assert.equal(filled.length, limit)
      const long = [limit + 1, 2 * limit, 3 * limit].map((length) => `{"a":"${'x'.repeat(length - 8)}"}`)
      const text = [...long, filled].flatMap((line, n) => [line, goodLine(n).toString()]).join('\n')
      const summary = await json(['replay', '-', '--data', dir], { stdin: text })
      assert.deepEqual(pick(summary, ['events', 'applied', 'quarantined']), {
        events: 8,
        applied: 5,
        quarantined: 3,
      })
      const listed = await lines<Quarantined>(['quarantine', 'list', '--data', dir])
      for (const [n, { cause, text: kept }] of listed.entries()) {
        assert.match(cause, new RegExp(`a record of ${long[n]!.length} bytes; records have at most ${limit}`))
        assert.ok(kept.length > 1000 && long[n]!.startsWith(kept))
      }
      const again = await json(['quarantine', 'replay', '0', '--data', dir])
      assert.deepEqual(again, { tried: 1, released: 0, still_quarantined: 3 })
    }))
})

describe('ids', () => {
  it('may be any Unicode of 1 to 256 bytes, of users, products and events', () =>
    withDirectory(async (dir) => {
      const events = oddIds.flatMap((id) => [
        eventOf({ event_id: id, user_id: id, product_id: id, title: id }),
        eventOf({ event_id: `${id.slice(0, 80)}.`, user_id: 'all', product_id: id }),
      ])
      const labels = join(dir, 'prototypes.ndjson')
      writeFileSync(labels, ndjsonOf(oddIds.slice(0, 10).map((id) => ({ user_id: id, personas: [id] }))))
      const replay = ['replay', '-', '--data', dir, '--prototypes', labels]
      const summary = await json(replay, { stdin: ndjsonOf(events) })
      assert.equal(summary.applied, events.length)
      const users = await lines<{ user_id: string; degree: number }>(['export', 'users', '--data', dir])
      assert.deepEqual(users.map(({ user_id }) => user_id).sort(), [...oddIds, 'all'].sort())
      assert.equal(users.find(({ user_id }) => user_id === 'all')?.degree, oddIds.length)
      const products = await lines<{ product_id: string }>(['export', 'products', '--data', dir])
      assert.deepEqual(products.map(({ product_id }) => product_id).sort(), [...oddIds].sort())
      await assertSound(dir)
      await succeed(['export', 'graph', '--format', 'gexf', '--data', dir])
      const again = await json(['replay', '-', '--data', dir], { stdin: ndjsonOf(events) })
      assert.equal(again.duplicates, events.length)
    }))
})

type Given = readonly [what: string, bytes: string | Uint8Array]

/** Five events of users of their own, in every form that input may have. */
function formsOf(users: string): Given[] {
  const events = good.map((event) => ({
    ...event,
    event_id: `${users} ${event.event_id}`,
    user_id: `${users} ${event.user_id}`,
  }))
  const plain = ndjsonOf(events)
  const csv = csvOf(events, columns)
  const titles = ['a "b"', 'two\nlines', ',', '"', 'x\r\n\r\ny']
  const quoted = csvOf(
    events.map((event, n) => ({ ...event, title: titles[n] })),
    columns,
  )
  const stray = csv.replaceAll(/(?<=Z,)$/gm, '12" pipe')
  return [
    ['NDJSON', plain],
    ['NDJSON without a last line end', plain.trimEnd()],
    ['a byte order mark', `\ufeff${plain}`],
    ['CRLF', plain.replaceAll('\n', '\r\n')],
    ['blank lines', `\n  \n${plain.replaceAll('\n', '\n\n \t\n')}\n\n`],
    ['gzip', gzipSync(plain)],
    ['gzip in two members', Buffer.concat([gzipSync(plain.slice(0, 50)), gzipSync(plain.slice(50))])],
    ['CSV', csv],
    ['CSV with a byte order mark and CRLF', `\ufeff${csv.replaceAll('\n', '\r\n')}`],
    ['CSV with every field quoted', csv.replaceAll(/[^,\n]+/g, '"$&"')],
    ['CSV with quotes and line ends in quoted fields', quoted],
    ['CSV with a stray quote in every line', stray],
    ['CSV with columns in another order, and one more', csvOf(events, [...columns.toReversed(), 'colour'])],
    ['CSV in gzip', gzipSync(csv)],
    ['nothing: an empty file', ''],
    ['nothing: an empty .gz', gzipSync('')],
    ['nothing: blank lines', '\n\n  \n'],
    ['nothing: a CSV header alone', `${columns.join(',')}\n`],
    ['nothing: a byte order mark alone', '\ufeff'],
  ]
}

describe('input that holds the events', () => {
  const forms = formsOf('').map(([what]) => what)
  let summary: Record<string, unknown>
  let users: string[]

  before(() =>
    withDirectory(async (dir) => {
      const files = forms.map((what, n) => {
        const file = join(dir, `events-${n}`)
        writeFileSync(file, formsOf(`${what}:`)[n]![1])
        return file
      })
      summary = await json(['replay', ...files, '--data', join(dir, 'data')])
      const exports = await exportsIn(join(dir, 'data'))
      users = exports.users.map((line) => (JSON.parse(line) as { user_id: string }).user_id)
    }),
  )

  for (const what of forms)
    it(`may be ${what}`, () => {
      const count = what.startsWith('nothing') ? 0 : good.length
      assert.equal(users.filter((user) => user.startsWith(`${what}: `)).length, count)
    })

  it('is counted whole, and none of it is quarantined', () => {
    const applied = forms.filter((what) => !what.startsWith('nothing')).length * good.length
    const expected = { events: applied, applied, quarantined: 0 }
    assert.deepEqual(pick(summary, Object.keys(expected)), expected)
  })

  for (const form of ['blank lines', 'gzip', 'CSV with quotes and line ends in quoted fields'])
    it(`may come on stdin: ${form}`, () =>
      withDirectory(async (dir) => {
        const stdin = formsOf('u').find(([what]) => what === form)![1]
        const found = await json(['replay', '-', '--data', dir], { stdin })
        assert.deepEqual(pick(found, Object.keys(fiveApplied)), fiveApplied)
      }))

  it('may come through a named pipe', { skip: process.platform === 'win32' }, () =>
    withDirectory(async (dir) => {
      const pipe = join(dir, 'pipe')
      execFileSync('mkfifo', [pipe])
      const writer = createWriteStream(pipe)
      writer.on('error', () => undefined)
      writer.end(ndjsonOf(good))
      const replay = ['replay', pipe, '--data', join(dir, 'data'), '--json']
      const { code, stdout, stderr } = await run(replay, { secondsMax: 15 })
      writer.destroy()
      assert.equal(code, 0, stderr)
      assert.deepEqual(pick(JSON.parse(stdout), Object.keys(fiveApplied)), fiveApplied)
    }),
  )
})

describe('input that breaks off', () => {
  const events = purchases(3000)
  const whole = gzipSync(ndjsonOf(events))

  it('is a clear error; what came before is applied, and the whole file applies the rest', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      const [part, all] = [join(dir, 'part.ndjson.gz'), join(dir, 'all.ndjson.gz')]
      writeFileSync(part, whole.subarray(0, Math.floor(whole.length * 0.9)))
      writeFileSync(all, whole)
      const { code, stdout, stderr } = await run(['replay', part, '--data', data, '--json'])
      assert.deepEqual([code, stdout], [1, ''])
      const read = Number(
        /^kindred: .* breaks off after line (\d+): unexpected end of file/.exec(stderr)?.[1],
      )
      assert.ok(read > 2000 && read < 3000, stderr)
      assert.equal((await run(['replay', part, '--data', data])).code, 1, 'it is not finished')
      const { applied, duplicates } = await json(['replay', all, '--data', data])
      assert.deepEqual({ applied, duplicates }, { applied: 3000 - read, duplicates: read })
    }))

  it('or is damaged: a clear error too', () =>
    withDirectory(async (dir) => {
      const file = join(dir, 'damaged.gz')
      writeFileSync(file, Buffer.from(whole).fill(0, whole.length - 9000, whole.length - 8900))
      const { code, stderr } = await run(['replay', file, '--data', join(dir, 'data')])
      assert.equal(code, 1)
      assert.match(stderr, /^kindred: .*damaged\.gz breaks off after line \d+: .*\n$/)
    }))
})

describe('input that is not there, or is something else', () => {
  let results: Map<string, Awaited<ReturnType<typeof run>>>
  const cases: Record<string, { readonly args: string[]; readonly says: RegExp }> = {
    'a missing file': { args: ['missing.ndjson'], says: /cannot read missing\.ndjson: ENOENT/ },
    'a directory': { args: ['folder'], says: /cannot read folder: EISDIR/ },
    'a CSV with another header': { args: ['other.csv'], says: /its header lacks event_id, .*must name/ },
    'a missing prototype file': {
      args: ['good.ndjson', '--prototypes', 'missing.ndjson'],
      says: /cannot read missing/,
    },
    'a prototype file with a bad line': {
      args: ['good.ndjson', '--prototypes', 'bad-prototypes.ndjson'],
      says: /bad-prototypes\.ndjson, line 2: .*a line is /,
    },
    'a prototype file without a label': {
      args: ['good.ndjson', '--prototypes', 'empty.ndjson'],
      says: /has no labelled user/,
    },
    'a persona set without prototypes': {
      args: ['good.ndjson', '--personas', 'personas.json'],
      says: /give both/,
    },
    'a persona set that lacks a persona': {
      args: ['good.ndjson', '--prototypes', 'prototypes.ndjson', '--personas', 'personas.json'],
      says: /labelled "B", which the persona set does not have/,
    },
    'a change file in no directory': {
      args: ['good.ndjson', '--changes', 'nowhere/changes.ndjson'],
      says: /cannot write change events to nowhere/,
    },
  }

  before(() =>
    withDirectory(async (dir) => {
      mkdirSync(join(dir, 'folder'))
      for (const [name, text] of Object.entries({
        'good.ndjson': ndjsonOf(good),
        'other.csv': 'id,customer,sku\n1,2,3\n',
        'empty.ndjson': '\n',
        'prototypes.ndjson': ndjsonOf([
          { user_id: 'u0', personas: ['A'] },
          { user_id: 'u1', personas: { B: 1 } },
        ]),
        'bad-prototypes.ndjson': '{"user_id":"u0","personas":["A"]}\n{"user_id":"u1"}\n',
        'personas.json': JSON.stringify({ version: '1', personas: [{ name: 'A', description: 'a' }] }),
      }))
        writeFileSync(join(dir, name), text)
      results = new Map()
      for (const [what, { args }] of Object.entries(cases))
        results.set(what, await run(['replay', ...args, '--data', 'data', '--json'], { cwd: dir }))
    }),
  )

  for (const [what, { says }] of Object.entries(cases))
    it(`is said in one line, with exit code 2: ${what}`, () => {
      const { code, stdout, stderr } = results.get(what)!
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, /^kindred: [^\n]+\n$/)
      assert.match(stderr, says)
    })
})

function goodLine(n: number): Buffer {
  return Buffer.from(JSON.stringify(eventOf({ event_id: `good-${n}`, user_id: `good-${n}` })))
}

function pick(value: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, value[name]]))
}
