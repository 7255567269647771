// personas propose|check: a persona set from the shop's own shoppers, and a lint of one.
import type { Command } from 'commander'
import { rngFor } from '../core/rng.ts'
import { FatalError, UsageError } from '../errors.ts'
import { replaceFile } from '../labelling/append-file.ts'
import { checkPersonas, type Finding } from '../labelling/check-personas.ts'
import type { Proposal, ProposeOptions, Sample } from '../labelling/propose-personas.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { type ApiFlags, apiOverrides, openPaidCalls, titlesOf } from './labellers.ts'
import { print, printJson, table } from './output.ts'
import { spentFields, tellEstimate, usdOf, withApi } from './prototypes-label.ts'
import { readText } from './read-import.ts'

type ProposeFlags = DataOptions &
  ApiFlags & {
    out?: string
    samples: string
    shoppers: string
    personasMax: string
    seed: string
    maxCost?: string
    dryRun: boolean
    retryFailed: boolean
  }

/** Tokens of one basket and of the catalogue in a question about many shoppers. */
const basketTokens = 250
const catalogueTokens = 3000
/** A list of twenty personas with descriptions and keywords. */
const answerTokensMax = 6000
/** Tokens that a list has about. */
const listTokens = 1800

export function addPersonas(program: Command): void {
  const personas = program.command('personas').description('the set of personas that shoppers are told by')
  const propose = withData(personas.command('propose'))
    .description(
      'propose a set, by a language model, from samples of shoppers and the catalogue: a file to be read and mended',
    )
    .option('--out <file>', 'persona set to write, JSON {version, personas: [{name, description, keywords}]}')
    .option('--samples <n>', 'samples of shoppers, each giving candidates', '6')
    .option('--shoppers <n>', 'shoppers of one sample', '20')
    .option('--personas-max <n>', 'personas of the set at the most', '20')
    .option('--seed <n>', 'seed of the samples', '1')
  withApi(propose).action(proposeAction)
  personas
    .command('check')
    .description('lint a persona set; with --data also against the titles of the shop')
    .argument('<file>', 'JSON persona set')
    .option('--data <dir>', 'data directory: keywords that no title has are named')
    .option('--json', 'machine-readable: JSON on stdout and nothing else there', false)
    .action(checkAction)
}

async function proposeAction(flags: ProposeFlags): Promise<void> {
  if (flags.out === undefined && !flags.dryRun) throw new UsageError('name the file to write: --out FILE')
  const config = configOf(apiOverrides(flags))
  const seed = wholeOf('--seed', flags.seed, { min: 0, max: 2 ** 32 - 1 })
  const samples = wholeOf('--samples', flags.samples, { min: 1, max: 100 })
  const shoppersEach = wholeOf('--shoppers', flags.shoppers, { min: 1, max: 200 })
  const personasMax = wholeOf('--personas-max', flags.personasMax, { min: 2, max: 100 })
  await using opened = await openPaidCalls({
    dir: flags.data,
    config,
    role: 'personas propose',
    maxCost: usdOf(flags.maxCost),
    retryFailed: flags.retryFailed,
    dryRun: flags.dryRun,
  })
  const { proposePersonas, samplesOf } = await import('../labelling/propose-personas.ts')
  const drawn = await reading(flags, (store) =>
    samplesOf(store, { rng: rngFor({ seed, text: 'personas propose', position: 0 }), samples, shoppersEach }),
  )
  if (drawn.length === 0)
    throw new FatalError(`no shopper of ${flags.data} has bought three products: there is nothing to go by`)
  const options: ProposeOptions = {
    calls: opened.calls,
    concurrency: config.labelConcurrency,
    model: config.labelModel,
    answerTokensMax,
    personasMax,
    basketTokens,
    catalogueTokens,
  }
  if (flags.dryRun) return tellDryRun(drawn, { options, json: flags.json })
  const proposal = await proposePersonas(drawn, options)
  tellProposal(proposal, { out: flags.out!, json: flags.json, spent: spentFields(opened.calls.spent()) })
}

/** Prints what it would take: the first calls as they are, a merge as three lists in and one out. */
async function tellDryRun(
  samples: readonly Sample[],
  { options, json }: { options: ProposeOptions; json: boolean },
): Promise<void> {
  const { firstRequests, mergesOf } = await import('../labelling/propose-personas.ts')
  const { tokensInOf } = await import('../labelling/chat-request.ts')
  const { costOf } = await import('../labelling/cost.ts')
  const { calls } = options
  const requests = firstRequests(samples, options)
  const open = requests.filter((request) => calls.peek(request) === undefined)
  const merges = open.length === 0 ? 0 : mergesOf(samples.length)
  const first = open.reduce((total, { request }) => total + tokensInOf(request).about, 0)
  const about = {
    tokensIn: first + merges * 3 * listTokens,
    tokensOut: (open.length + merges) * listTokens,
  }
  const { prices } = calls.options
  const estimate = {
    shoppers: samples.reduce((total, { shoppers }) => total + shoppers.length, 0),
    cached: requests.length - open.length,
    calls: open.length + merges,
    ...about,
    costUsd: costOf(about, prices),
    costUsdMax: undefined, // merges read what the first answers say
  }
  tellEstimate({ prices }, { estimate, json })
}

function tellProposal(
  proposal: Proposal,
  { out, json, spent }: { out: string; json: boolean; spent: object },
): void {
  switch (proposal.kind) {
    case 'failed':
      throw new FatalError(
        `${proposal.step}: ${proposal.failure.reason}: ${proposal.failure.detail}; what else was answered is kept: run again${proposal.failure.paid ? ' with --retry-failed' : ''}`,
      )
    case 'not_sent':
      throw new FatalError(
        `stopped in ${proposal.step} before --max-cost; what was answered is kept: run again with a higher one`,
      )
    case 'proposed': {
      const { version, personas } = proposal.set
      replaceFile(out, `${JSON.stringify(proposal.set, null, 2)}\n`)
      const summary = { version, personas: personas.length, ...spent, out }
      if (json) return printJson(summary)
      print(`${table(Object.entries(summary).map(([name, value]) => [name, String(value)]))}\n`)
      print(`read ${out}, mend it, and see what \`kindred personas check ${out}\` says\n`)
    }
  }
}

async function checkAction(file: string, { data, json }: { data?: string; json: boolean }): Promise<void> {
  const value = jsonOf(readText(file), file)
  const titles = data === undefined ? undefined : await reading({ data }, titlesOf)
  const findings = checkPersonas(value, titles)
  const errors = findings.filter(({ severity }) => severity === 'error').length
  if (json) printJson({ file, errors, warnings: findings.length - errors, findings })
  else print(report(file, findings))
  if (errors > 0) process.exitCode = 1
}

function report(file: string, findings: readonly Finding[]): string {
  if (findings.length === 0) return `${file}: nothing to say against it\n`
  return findings
    .map(
      ({ severity, persona, message }) =>
        `${severity}: ${persona === undefined ? '' : `${persona}: `}${message}\n`,
    )
    .join('')
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}; a persona set is JSON`)
  }
}

function wholeOf(flag: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new UsageError(`${flag} takes a whole number from ${min} to ${max}`)
  return value
}
