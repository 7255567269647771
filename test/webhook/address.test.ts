// Where webhooks may go: by the URL, and by the address that each connection is made to.
import assert from 'node:assert/strict'
import type { lookup } from 'node:dns'
import { describe, it } from 'node:test'
import { guardedLookup, isPublic, urlProblem } from '../../src/sink/webhook/address.ts'
import { createSender } from '../../src/sink/webhook/send.ts'
import { startReceiver } from '../support/webhook-receiver.ts'

const closed =
  `0.0.0.0 0.1.2.3 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1
  172.31.255.255 192.0.0.1 192.0.2.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255
  :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:a9fe:a9fe ::ffff:0:10.0.0.1 64:ff9b::a00:1
  64:ff9b:1::1 100::1 2001:0:0:1::1 2001:db8::1 2002:7f00:1:: 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
  fec0::1 ff02::1 nonsense`.split(/\s+/)
const open = `1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.1.1 223.255.255.255
  ::ffff:8.8.8.8 2606:4700:4700::1111 2a00:1450:4001:81b::200e`.split(/\s+/)
const strict = { allowPrivate: false, allowHttp: false }

/** A resolver that knows one name, which has another address each time it is asked. */
function resolver(...answers: readonly (readonly string[])[]): typeof lookup {
  let asked = 0
  return ((_name: string, _options: unknown, done: (error: null, found: unknown) => void) => {
    const addresses = answers[Math.min(asked++, answers.length - 1)]!
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }) as unknown as typeof lookup
}

describe('an address', () => {
  it('is public or not, as the registries of special addresses say', () => {
    for (const address of closed) assert.equal(isPublic(address), false, address)
    for (const address of open) assert.equal(isPublic(address), true, address)
  })

  it('in a URL is refused when it is private, however it is written', () => {
    for (const host of `127.0.0.1 0x7f.1 2130706433 017700000001 [::1] [::ffff:127.0.0.1] 169.254.169.254 localhost
      LOCALHOST a.localhost 10.0.0.1 [fd00:ec2::254]`.split(/\s+/))
      assert.match(urlProblem(`https://${host}/`, strict) ?? '', /KINDRED_WEBHOOK_ALLOW_PRIVATE/, host)
    assert.equal(urlProblem('https://crm.example/hook?a=b', strict), undefined)
    assert.match(urlProblem('http://crm.example/', strict) ?? '', /KINDRED_WEBHOOK_ALLOW_HTTP/)
    for (const url of ['ftp://crm.example/', 'file:///etc/passwd', 'javascript:1'])
      assert.match(urlProblem(url, { allowPrivate: true, allowHttp: true }) ?? '', /neither https nor http/)
    assert.match(urlProblem('https://user:pass@crm.example/', strict) ?? '', /user or password/)
    assert.equal(urlProblem('http://127.0.0.1/', { allowPrivate: true, allowHttp: true }), undefined)
  })

  it('that a name resolves to is checked, any of them', async () => {
    const resolve = (found: readonly string[], policy = strict) =>
      new Promise((done) =>
        guardedLookup(policy, resolver(found))('crm.example', {}, (error, address) => done(error ?? address)),
      )
    assert.equal(await resolve(['8.8.8.8']), '8.8.8.8')
    for (const found of [['10.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::1']])
      assert.match(String(await resolve(found)), /^AddressRefused/)
    assert.equal(await resolve(['10.0.0.1'], { ...strict, allowPrivate: true }), '10.0.0.1')
  })

  it('is checked when the connection is made: a name that resolves to another one later is refused', async () => {
    await using receiver = await startReceiver()
    const policy = { allowPrivate: false, allowHttp: true }
    const attempt = (host: string) => ({
      url: `http://${host}:${receiver.port}/`,
      headers: {},
      body: { contentType: 'application/json', text: '{}' },
      signal: new AbortController().signal,
    })
    for (const [policyOf, host, error] of [
      [policy, 'rebound.example', /private, local or reserved/],
      [policy, '127.0.0.1', /private, local or reserved/],
      [policy, 'localhost', /private, local or reserved/],
    ] as const) {
      const sender = createSender({ policy: policyOf, timeoutMs: 2000, lookup: resolver(['127.0.0.1']) })
      const outcome = await sender.send(attempt(host))
      assert.equal(outcome.kind, 'failed')
      assert.match(outcome.kind === 'failed' ? outcome.error : '', error)
      sender.close()
    }
    assert.equal(receiver.received.length, 0, 'nothing was sent')
    const allowed = createSender({
      policy: { allowPrivate: true, allowHttp: true },
      timeoutMs: 2000,
      lookup: resolver(['127.0.0.1']),
    })
    assert.equal((await allowed.send(attempt('rebound.example'))).kind, 'answered')
    assert.equal(receiver.received.length, 1, 'the name does lead there')
    allowed.close()
  })
})
