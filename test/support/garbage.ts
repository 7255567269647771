// Bytes that are no request, or one that nobody should send: broken framing, lengths that lie, headers without end, bodies
// that parsers stumble over. Each goes to a connection of its own, which ends behind it.
import fc from 'fast-check'

export type GarbageOptions = {
  /** Requests that are well, to be broken. */
  readonly wells: readonly Buffer[]
  /** Authorization headers. */
  readonly bearers: readonly string[]
}

const deep = (open: string, close: string, depth: number, core = '') =>
  open.repeat(depth) + core + close.repeat(depth)

/** Bodies that parse, or do not, in ways that have hurt others. */
const bodies: readonly string[] = [
  deep('[', ']', 20_000),
  deep('{"a":', '}', 20_000, '1'),
  '['.repeat(50_000),
  '{"__proto__":{"admin":true},"user_ids":["a"]}',
  '{"constructor":{"prototype":{"admin":true}},"user_ids":["a"]}',
  '{"user_ids":["a"],"user_ids":["b"],"user_ids":5}',
  '{"user_ids":["a"],"__proto__":[]}',
  '{"user_ids":{"length":1e9}}',
  '{"user_ids":["\\ud800"]}',
  '{"user_ids":[1e999,-0,1e-999]}',
  '{"toString":1,"valueOf":2,"hasOwnProperty":3,"length":4}',
  '\ufeff{"user_ids":["a"]}',
  `{"user_ids":["${'x'.repeat(100_000)}"]}`,
  `{"user_ids":[${'"a",'.repeat(5000)}"a"]}`,
  `{"limit":${'9'.repeat(5000)}}`,
  '{"limit":1e308,"secret":"whsec_","url":"\\u0000"}',
  '{"filter":{"__proto__":{"directions":["up"]}},"url":"//"}',
  '{"event_id":"e","user_id":"u","product_id":"p","type":"__proto__","ts":"2025-01-01"}',
  '{"event_id":"e","user_id":"u","product_id":"p","type":"view","ts":1e400,"quantity":0}',
  `${'{}\n'.repeat(2000)}`,
  '\n\n\r\n \u2028\n',
  'null',
  '""',
  '',
]
const types = [
  'application/json',
  'application/x-ndjson',
  'application/json; charset=utf-16',
  'text/html',
  '',
  ';',
  'a/b\u00ff',
]
const paths = [
  '/v1/events',
  '/v1/users/personas',
  '/v1/users/openrtb?deadline_ms=0',
  '/v1/webhooks',
  '/v1/webhooks/wh_0/rotate',
  '/v1/quarantine/0/replay',
  '/v1/users/u/personas',
  '/v1/users?id=%00',
  '/v1/users/..%2f..%2f/personas',
  '/v1/users/%ed%a0%80/personas',
  '/v1/users/%/personas',
  '/v1/changes?after=1&after=2&limit[]=3',
  '/v1/personas/__proto__/users?after=AAAA',
  '//',
  '/../../etc/passwd',
  '/v1/users/a;b/personas?id',
  '*',
  'http://169.254.169.254/latest',
  '/\u00ff\u00fe',
  `/v1/users/${'a'.repeat(5000)}/personas`,
  `/${'b/'.repeat(2000)}`,
  '',
]
const methods = 'GET POST DELETE PATCH PUT OPTIONS TRACE CONNECT PROPFIND get FOO G\u00c9T'.split(' ')
const versions = ['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.1 ', 'http/1.1', '']
const oddHeaders = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Content-Length: 5',
  'Content-Length: 999999999999',
  'Content-Length: -1',
  'Content-Length: 0x5',
  'Content-Length : 3',
  'Expect: 100-continue',
  'Expect: anything',
  'Upgrade: h2c',
  'Connection: Upgrade, HTTP2-Settings',
  'Host: a\r\nHost: b',
  'X-Deadline-Ms: 1e9',
  'Last-Event-ID: \u00ff',
  'If-None-Match: "',
  'Accept-Encoding: gzip;q=\u0001',
  ' folded: yes',
  'no colon',
  ': no name',
  'a\u0000b: c',
  `X-Long: ${'x'.repeat(20_000)}`,
  Array.from({ length: 2100 }, (_, n) => `h${n}: 1`).join('\r\n'),
  'Authorization: Bearer a\r\nAuthorization: Bearer b',
]
const chunkings = [
  '5\r\nhello\r\n0\r\n\r\n',
  'ffffffffffffffff\r\n',
  '5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n',
  `1;${'e'.repeat(20_000)}\r\na\r\n0\r\n\r\n`,
  '-1\r\n',
  '5\r\nhel',
]

export function garbage({ wells, bearers }: GarbageOptions): fc.Arbitrary<Buffer> {
  const built = fc
    .record({
      method: fc.constantFrom(...methods),
      path: fc.constantFrom(...paths),
      version: fc.oneof({ weight: 5, arbitrary: fc.constant('HTTP/1.1') }, fc.constantFrom(...versions)),
      bearer: fc.constantFrom(undefined, ...bearers),
      type: fc.constantFrom(...types),
      odd: fc.array(fc.constantFrom(...oddHeaders), { maxLength: 2 }),
      body: fc.constantFrom(...bodies, ...chunkings),
      honest: fc.boolean(),
    })
    .map(({ method, path, version, bearer, type, odd, body, honest }) => {
      const lines = [
        `${method} ${path} ${version}`,
        'Host: shop',
        ...(bearer === undefined ? [] : [`Authorization: ${bearer}`]),
        `Content-Type: ${type}`,
        ...odd,
        ...(honest ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
      ]
      return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)])
    })
  const spoiled = fc
    .record({
      well: fc.constantFrom(...wells),
      edits: fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'add', 'end')), {
        minLength: 1,
        maxLength: 4,
      }),
    })
    .map(({ well, edits }) => edits.reduce(spoil, well))
  return fc.oneof(
    { weight: 4, arbitrary: built },
    { weight: 4, arbitrary: spoiled },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  )
}

type Edit = [number, number, 'set' | 'cut' | 'add' | 'end']

function spoil(bytes: Buffer, [where, byte, how]: Edit): Buffer {
  const at = where % (bytes.length + 1)
  switch (how) {
    case 'set':
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at + 1)])
    case 'add':
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at)])
    case 'cut':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (byte % 8))])
    case 'end':
      return bytes.subarray(0, at)
  }
}
