// Bearer tokens: made once, kept as a hash in the data directory, and asked for by every route but health. A token has 256
// bits of randomness, so that one SHA-256 of it is as good as a slow hash of a password.
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { FatalError, messageOf } from '../errors.ts'

export const scopes = ['lookup', 'ingest', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** A token as it is kept: `hash` is SHA-256 of it, hex; what the token is cannot be told from it. */
export type StoredToken = {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly hash: string
  readonly created_at: string
}

const file = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(scopes)).min(1),
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    created_at: z.string(),
  }),
)

/** Tokens of one directory, I7. */
const tokensMax = 1000
const prefix = 'kindred_'

export function tokensPath(dir: string): string {
  return join(dir, 'tokens.json')
}

/** The tokens of a data directory; none without a file. Throws FatalError for one that cannot be read. */
export function readTokens(dir: string): StoredToken[] {
  const path = tokensPath(dir)
  if (!existsSync(path)) return []
  try {
    return file.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new FatalError(
      `${path} is not a file of tokens (${messageOf(error)}): restore it, or remove it and make new tokens with \`kindred tokens add\``,
    )
  }
}

/** Makes a token; it is told here, and never again. Throws FatalError at the limit. */
export function addToken(
  dir: string,
  { name, scopes, now }: { name: string; scopes: readonly Scope[]; now: Date },
): { readonly stored: StoredToken; readonly token: string } {
  const all = readTokens(dir)
  if (all.length >= tokensMax)
    throw new FatalError(`there are ${tokensMax} tokens: revoke some with \`kindred tokens revoke\``)
  const token = `${prefix}${randomBytes(32).toString('base64url')}`
  const stored = {
    id: randomBytes(6).toString('hex'),
    name,
    scopes: [...scopes],
    hash: hashOf(token),
    created_at: now.toISOString(),
  }
  writeTokens(dir, [...all, stored])
  return { stored, token }
}

/** Forgets a token; false when there is none of this id. */
export function revokeToken(dir: string, id: string): boolean {
  const all = readTokens(dir)
  const left = all.filter((token) => token.id !== id)
  if (left.length === all.length) return false
  writeTokens(dir, left)
  return true
}

/** Whole or not at all, and for nobody else's eyes. */
function writeTokens(dir: string, tokens: readonly StoredToken[]): void {
  const path = tokensPath(dir)
  const next = `${path}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(tokens, null, 2)}\n`, { mode: 0o600 })
  chmodSync(next, 0o600)
  renameSync(next, path)
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** How long a token that was revoked may still be taken, ms. */
const staleMsMax = 1_000

/** The tokens of a directory as requests are checked by: read again when the file changed, looked at once a second. */
export class TokenSet {
  readonly #dir: string
  readonly #now: () => number
  #byHash = new Map<string, StoredToken>()
  /** Tokens by Authorization headers seen before: most requests repeat one. */
  #known = new Map<string, StoredToken>()
  #looked = Number.NEGATIVE_INFINITY
  #stamp = ''

  constructor(dir: string, now: () => number) {
    this.#dir = dir
    this.#now = now
    this.#look()
  }

  get size(): number {
    this.#look()
    return this.#byHash.size
  }

  /** The token that an Authorization header brings (RFC 6750 §2.1); undefined when it is none of ours. */
  find(authorization: string): StoredToken | undefined {
    this.#look()
    const known = this.#known.get(authorization) // by a hash: nothing is compared with what is secret letter by letter
    if (known !== undefined) return known
    if (authorization.length > headerLengthMax || !/^bearer /i.test(authorization)) return undefined
    const stored = this.#byHash.get(hashOf(authorization.slice('bearer '.length).trim()))
    if (stored !== undefined) this.#keep(authorization, stored)
    return stored
  }

  #keep(authorization: string, stored: StoredToken): void {
    if (this.#known.size >= knownMax) this.#known.clear() // a header can be spelled in many ways
    this.#known.set(authorization, stored)
  }

  #look(): void {
    const now = this.#now()
    if (now - this.#looked < staleMsMax) return
    this.#looked = now
    const stamp = stampOf(tokensPath(this.#dir))
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    this.#known = new Map()
    this.#byHash = new Map(readTokens(this.#dir).map((token) => [token.hash, token]))
  }
}

/** Longer than any token with what is before it. */
const headerLengthMax = 256
/** Spellings of headers that are kept. */
const knownMax = 2 * tokensMax

/** Changes when the file does. What stands where the directory should be is told by who opens the data. */
function stampOf(path: string): string {
  if (!existsSync(path)) return 'none'
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat === undefined ? 'none' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`
}
