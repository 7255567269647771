// Every way a record can be wrong that we could think of, with what its cause must say; and ids that look wrong and are not.
import { eventOf } from './events.ts'

export type BadRecord = {
  readonly what: string
  readonly bytes: string | Uint8Array
  readonly cause: RegExp
}

const ids = ['event_id', 'user_id', 'product_id'] as const

export const badRecords: readonly BadRecord[] = [
  ...Object.entries({
    'half a record': '{"event_id":"1","user_',
    'a word': 'purchase',
    'two records in a line': `${JSON.stringify(eventOf())}${JSON.stringify(eventOf())}`,
    'single quotes': "{'event_id':'1'}",
    'a comment': '// nothing',
  }).map(([what, bytes]) => ({ what, bytes, cause: /not JSON/ })),
  ...['[]', 'null', '"text"', '42', 'true'].map((bytes) => ({
    what: `the value ${bytes}`,
    bytes,
    cause: /must be a JSON object, not/,
  })),
  ...[undefined, null, 'buy', 'PURCHASE', 'purchase ', '', '__proto__', 'toString', 5, ['purchase']].map(
    (type) => wrong(`type ${shown(type)}`, { type }, /^type .* none of purchase, return, view, cart, review/),
  ),
  ...ids.flatMap((field) => [
    wrong(`no ${field}`, { [field]: undefined }, new RegExp(`^${field} is missing`)),
    wrong(`${field} null`, { [field]: null }, new RegExp(`^${field} is missing`)),
    wrong(`an empty ${field}`, { [field]: '' }, new RegExp(`^${field} is empty`)),
    wrong(`a number as ${field}`, { [field]: 17 }, new RegExp(`^${field} must be a string`)),
    wrong(`a list as ${field}`, { [field]: ['a'] }, new RegExp(`^${field} must be a string`)),
    wrong(`${field} of 257 bytes`, { [field]: 'x'.repeat(257) }, new RegExp(`^${field} has 257 bytes`)),
    wrong(`${field} of 258 bytes`, { [field]: '家'.repeat(86) }, new RegExp(`^${field} has 258 bytes`)),
    {
      what: `half a surrogate pair in ${field}`,
      bytes: JSON.stringify(eventOf({ [field]: 'XX' })).replace('XX', 'a\\ud83d'),
      cause: new RegExp(`^${field} is not well-formed`),
    },
  ]),
  wrong('an id of a megabyte', { user_id: 'm'.repeat(1 << 20) }, /^user_id has 1048576 bytes/),
  ...[0, -1, 1.5, 1e9 + 1, -1e9, '6', '', true, [6], 1e300].map((quantity) =>
    wrong(`quantity ${shown(quantity)}`, { quantity }, /^quantity .* whole number from 1 to 1000000000/),
  ),
  {
    what: 'quantity beyond all numbers',
    bytes: JSON.stringify(eventOf({ quantity: 7 })).replace(':7', ':1e400'),
    cause: /^quantity/,
  },
  ...[undefined, null].map((ts) => wrong(`ts ${shown(ts)}`, { ts }, /^ts is missing/)),
  ...[
    '1969-12-31T23:59:59Z',
    '1970-01-01T00:00:00+01:00',
    '2100-01-01T00:00:00Z',
    '2101-06-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    -1,
    1.5,
    Date.UTC(2100, 0, 1),
    1e18,
  ].map((ts) => wrong(`ts ${shown(ts)}`, { ts }, /^ts .* 1970 to 2100/)),
  ...[
    '2025-01-01T00:00:00',
    '2025-01-01 00:00:00Z',
    'yesterday',
    '',
    '2025',
    '01/02/2025',
    '2025-13-01T00:00:00Z',
    '2025-00-01T00:00:00Z',
    '2025-02-30T00:00:00Z',
    '2025-02-29T12:00:00+00:00',
    '2025-04-31',
    '2025-01-32T00:00:00Z',
    '2025-01-01T25:00:00Z',
    '2025-01-01T00:60:00Z',
    '2025-01-01T00:00:00+25:00',
    '１２３４-01-01T00:00:00Z',
    'Wed, 01 Jan 2025 00:00:00 GMT',
    '1735689600',
    true,
    {},
  ].map((ts) => wrong(`ts ${shown(ts)}`, { ts }, /^ts .* ISO 8601/)),
  wrong('a number as title', { title: 5 }, /^title/),
  wrong('a list as category', { category: ['a'] }, /^category/),
  wrong('text as price', { price: 'cheap' }, /^price/),
  {
    what: 'bytes that are not UTF-8',
    bytes: Buffer.concat([Buffer.from('{"event_id":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    cause: /not valid UTF-8/,
  },
  {
    what: 'an overlong form',
    bytes: Buffer.concat([Buffer.from('{"user_id":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
    cause: /not valid UTF-8/,
  },
  {
    what: 'half a character at the end',
    bytes: Buffer.from('{"user_id":"é').subarray(0, 13),
    cause: /not valid UTF-8/,
  },
  {
    what: 'UTF-16',
    bytes: Buffer.from(`\ufeff${JSON.stringify(eventOf())}`, 'utf16le'),
    cause: /not valid UTF-8/,
  },
]

/** Ids that must be taken: 1 to 256 bytes, whatever they hold. */
export const oddIds: readonly string[] = [
  '\u0000',
  'a\u0000b',
  'a\u0000',
  ' ',
  '\t',
  'two\nlines',
  '\r',
  '\ufeff',
  '\u202eright to left',
  'שלום',
  'é',
  'e\u0301',
  '👶🏽',
  '👨‍👩‍👧',
  'x'.repeat(256),
  '👶'.repeat(64),
  '家'.repeat(85),
  '\u{10ffff}',
  '\uffff',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '"',
  '\\',
  '%00',
  '../../etc/passwd',
  '-1',
  '0',
  'null',
  'ID',
  'id',
]

function wrong(what: string, fields: Record<string, unknown>, cause: RegExp): BadRecord {
  return { what, bytes: JSON.stringify(eventOf(fields)), cause }
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined'
}
