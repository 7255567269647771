// tokens add|list|revoke: who may use the API. A running serve takes changes up within a second.
import { mkdirSync } from 'node:fs'
import type { Command } from 'commander'
import { FatalError, UsageError } from '../errors.ts'
import { addToken, readTokens, revokeToken, type Scope, scopes } from '../http/tokens.ts'
import { requireData } from '../profiler.ts'
import { type DataOptions, withData } from './context.ts'
import { print, printJson, table } from './output.ts'

export function addTokens(program: Command): void {
  const tokens = program.command('tokens').description('bearer tokens of the API, by scope')
  withData(tokens.command('add'))
    .description('make a token; it is shown once, and kept as a hash')
    .argument('<name>', 'whose it is')
    .requiredOption('--scopes <list>', `of ${scopes.join(', ')}, with commas; admin may do everything`)
    .option('--once', 'only where there is no token of that name', false)
    .action((name: string, options: AddOptions) => add(name, options))
  withData(tokens.command('list'))
    .description('list the tokens, without what they are')
    .action((options: DataOptions) => list(options))
  withData(tokens.command('revoke'))
    .description('take a token back')
    .argument('<id>', 'its id')
    .action((id: string, options: DataOptions) => revoke(id, options))
}

type AddOptions = DataOptions & { scopes: string; once: boolean }

function add(name: string, { data, json, scopes: text, once }: AddOptions): void {
  if (name.trim() === '') throw new UsageError('a token has a name: say whose it is')
  mkdirSync(data, { recursive: true }) // also before the first serve
  const there = once ? readTokens(data).find((token) => token.name === name) : undefined
  if (there !== undefined) {
    if (json) printJson({ id: there.id, name, scopes: there.scopes, token: null })
    else print(`there is a token ${name} already (id ${there.id}): it was shown when it was made\n`)
    return
  }
  const { stored, token } = addToken(data, { name, scopes: scopesOf(text), now: new Date() })
  if (json) printJson({ id: stored.id, name, scopes: stored.scopes, token })
  else print(`${token}\nKeep it: it is not shown again. Its id, to revoke it: ${stored.id}\n`)
}

function list({ data, json }: DataOptions): void {
  requireData(data)
  const tokens = readTokens(data).map(({ hash: _hash, ...token }) => token)
  if (json) return printJson({ tokens })
  if (tokens.length === 0) return print('there are no tokens: on loopback the API asks for none\n')
  print(
    `${table([['id', 'scopes', 'made', 'name'], ...tokens.map(({ id, scopes, created_at, name }) => [id, scopes.join(','), created_at, name])])}\n`,
  )
}

function revoke(id: string, { data, json }: DataOptions): void {
  requireData(data)
  if (!revokeToken(data, id))
    throw new FatalError(`there is no token of id ${id}; \`kindred tokens list\` has them`)
  if (json) printJson({ id, revoked: true })
  else print(`${id} is revoked\n`)
}

/** Throws UsageError. */
function scopesOf(text: string): Scope[] {
  const named = text.split(',').map((name) => name.trim())
  const known = named.filter((name): name is Scope => (scopes as readonly string[]).includes(name))
  if (known.length !== named.length)
    throw new UsageError(`--scopes are some of ${scopes.join(', ')}, with commas; given: ${text}`)
  return [...new Set(known)]
}
