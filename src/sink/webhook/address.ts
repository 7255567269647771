// Where webhooks may go: http(s) without credentials, and only to public addresses, told by the address that a connection
// is made to: a name may resolve to another address each time it is asked (DNS rebinding).
import { lookup as dnsLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

export type AddressPolicy = {
  /** Private, loopback, link-local and reserved addresses are allowed. */
  readonly allowPrivate: boolean
  /** Plain http is allowed. */
  readonly allowHttp: boolean
}

/** Connecting was refused by policy, whatever the receiver. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/** Not for the public by RFC 6890 and its successors; and a cloud's metadata service at a public address. */
const closed4 = blockList('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
])
/** Of IPv6 only global unicast is public, without what carries an IPv4 address within (Teredo, 6to4) or is reserved. */
const open6 = blockList('ipv6', [['2000::', 3]])
const closed6 = blockList('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
])

function blockList(family: 'ipv4' | 'ipv6', subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, family)
  return list
}

/** Whether anybody in the internet may have this address. */
export function isPublic(address: string): boolean {
  const bare = address.split('%')[0]!
  const family = isIP(bare)
  if (family === 4) return !closed4.check(bare)
  if (family !== 6) return false
  const mapped = mappedIn(bare)
  if (mapped !== undefined) return isPublic(mapped)
  return open6.check(bare, 'ipv6') && !closed6.check(bare, 'ipv6')
}

/** The IPv4 address in an IPv4-mapped one (::ffff:…), however it is written. */
function mappedIn(address: string): string | undefined {
  const host = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const groups = /^::ffff:(?<high>[0-9a-f]{1,4}):(?<low>[0-9a-f]{1,4})$/.exec(host)?.groups
  if (groups === undefined) return undefined
  const [high, low] = [Number.parseInt(groups.high!, 16), Number.parseInt(groups.low!, 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** What is wrong with a URL as far as it says by itself; undefined when nothing is. */
export function urlProblem(text: string, { allowPrivate, allowHttp }: AddressPolicy): string | undefined {
  if (!URL.canParse(text)) return 'is not a URL'
  const { protocol, username, password, hostname, port } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return 'is neither https nor http'
  if (protocol === 'http:' && !allowHttp)
    return 'is not https: plain http is refused unless KINDRED_WEBHOOK_ALLOW_HTTP is true'
  if (username !== '' || password !== '') return 'holds a user or password: deliveries are signed instead'
  const literal = literalOf(hostname)
  if (allowPrivate) return undefined
  if (literal !== undefined && !isPublic(literal)) return privateProblem
  if (/(^|\.)localhost\.?$/i.test(hostname)) return privateProblem
  if (port !== '' && Number(port) < wellKnownPorts && !webPorts.has(Number(port))) return portProblem
  return undefined
}

const privateProblem =
  'is a private, local or reserved address: refused unless KINDRED_WEBHOOK_ALLOW_PRIVATE is true'

/** Other services of the internet listen below this port (mail, name servers): none of them is to be sent a change. */
const wellKnownPorts = 1024
const webPorts = new Set([80, 443])
const portProblem =
  'has a port of another service than the web: below 1024 only 80 and 443 are taken, unless KINDRED_WEBHOOK_ALLOW_PRIVATE is true'

/** The address that a URL's host is; undefined for a name. */
export function literalOf(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) === 0 ? undefined : bare
}

/** Throws AddressRefused for an address that a connection must not be made to. */
export function checkAddress(address: string, { allowPrivate }: AddressPolicy): void {
  if (!allowPrivate && !isPublic(address))
    throw new AddressRefused('the name resolves to a private, local or reserved address')
}

/** Resolves a name for a connection; a name gets none when one of its addresses is not public. */
export function guardedLookup(policy: AddressPolicy, lookup: typeof dnsLookup = dnsLookup): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, '', 0)
      try {
        for (const { address } of found) checkAddress(address, policy)
      } catch (refused) {
        return done(refused as NodeJS.ErrnoException, '', 0)
      }
      if (options.all === true) return done(null, found)
      return done(null, found[0]!.address, found[0]!.family)
    })
  }
}
