// Proposing a persona set (GPLR, appendix B): candidates from several samples of shoppers, merged twice into one list.
import { createHash } from 'node:crypto'
import type { Rng } from '../core/rng.ts'
import type { StoreReader } from '../store/port.ts'
import type { Answered, PaidCalls, PaidRequest } from './paid-calls.ts'
import { inParallel } from './parallel.ts'
import type { Failure, Shopper } from './port.ts'
import {
  candidatesRequest,
  mergeRequest,
  type ProposedPersona,
  type ProposeQuestion,
  readPersonas,
} from './propose-prompt.ts'
import { shopperOf } from './shoppers.ts'

export type ProposeOptions = ProposeQuestion & {
  readonly calls: PaidCalls
  readonly concurrency: number
  readonly basketTokens: number
  readonly catalogueTokens: number
}

export type Sample = { readonly shoppers: readonly Shopper[]; readonly titles: readonly string[] }

export type PersonaSetFile = { readonly version: string; readonly personas: readonly ProposedPersona[] }

export type Proposal =
  | { readonly kind: 'proposed'; readonly set: PersonaSetFile }
  | { readonly kind: 'failed'; readonly step: string; readonly failure: Failure }
  /** The cost limit came first; what was answered is kept. */
  | { readonly kind: 'not_sent'; readonly step: string }

type List = readonly ProposedPersona[]

/** Lists that one merge of the first round takes. */
const mergeWidth = 3
/** Users looked at for one that has bought enough. */
const drawsPerUser = 50
/** Below this a basket shows nobody. */
const productsMin = 3

/**
 * Samples of shoppers who bought three products at least, drawn without repeating over all samples, each with titles of
 * the catalogue: what most people buy, then some of the rest. The same for the same store and generator.
 */
export function samplesOf(
  store: StoreReader,
  { rng, samples, shoppersEach }: { rng: Rng; samples: number; shoppersEach: number },
): Sample[] {
  const users = [...store.users()]
  const titles = titlesOf(store, rng)
  const draws = Math.min(users.length, samples * shoppersEach * drawsPerUser)
  const found: Shopper[] = []
  for (let drawn = 0; drawn < draws && found.length < samples * shoppersEach; drawn++) {
    const other = drawn + rng.below(users.length - drawn) // Fisher–Yates, as far as is needed
    const user = users[other]!
    users[other] = users[drawn]!
    users[drawn] = user
    const shopper = shopperOf(store, user)
    if (shopper.basket.length >= productsMin) found.push(shopper)
  }
  // dealt round, so that few shoppers make equal samples
  return Array.from({ length: samples }, (_, s) => ({
    shoppers: found.filter((_, i) => i % samples === s),
    titles,
  })).filter(({ shoppers }) => shoppers.length > 0)
}

/** One list from all samples. A step that fails ends it: what the others answered is kept for the next run. */
export async function proposePersonas(
  samples: readonly Sample[],
  options: ProposeOptions,
): Promise<Proposal> {
  const users = samples.flatMap(({ shoppers }) => shoppers.map(({ userId }) => userId))
  const candidates = await askAll(
    samples.map((sample) => ({
      request: candidatesRequest(sample, options),
      users: sample.shoppers.map(({ userId }) => userId),
    })),
    { step: 'candidates', options },
  )
  if ('kind' in candidates) return candidates
  // what a merge says goes back to all shoppers of the samples: erasing one of them takes it along
  const merged = await mergeAll(groupsOf(candidates), { users, step: 'first merge', options })
  if ('kind' in merged) return merged
  const last = await mergeAll([merged], { users, step: 'second merge', options })
  if ('kind' in last) return last
  const personas = last[0]!
  const version = createHash('sha256').update(JSON.stringify(personas)).digest('hex').slice(0, 12)
  return { kind: 'proposed', set: { version, personas } }
}

/** A dry run: the calls of the first step, which are the dear ones, and how many merges follow. */
export function firstRequests(samples: readonly Sample[], options: ProposeOptions): PaidRequest<List>[] {
  return samples.map((sample) =>
    prepared(
      {
        request: candidatesRequest(sample, options),
        users: sample.shoppers.map(({ userId }) => userId),
      },
      options,
    ),
  )
}

/** Merges that follow so many candidate lists. */
export function mergesOf(samples: number): number {
  const groups = Math.ceil(samples / mergeWidth)
  return samples <= 1 ? 0 : groups + (groups > 1 ? 1 : 0)
}

type Question = Pick<PaidRequest<List>, 'request' | 'users'>
type Unfinished = Exclude<Proposal, { kind: 'proposed' }>

/** Groups of one list need no merging, and cost nothing. */
async function mergeAll(
  groups: readonly (readonly List[])[],
  { users, step, options }: { users: readonly string[]; step: string; options: ProposeOptions },
): Promise<List[] | Unfinished> {
  const asked = groups.filter((lists) => lists.length > 1)
  const answers = await askAll(
    asked.map((lists) => ({ request: mergeRequest(lists, options), users })),
    { step, options },
  )
  if ('kind' in answers) return answers
  return groups.map((lists) => (lists.length > 1 ? answers[asked.indexOf(lists)]! : lists[0]!))
}

/** All answers in the order of the questions, or the first thing that went wrong. */
async function askAll(
  questions: readonly Question[],
  { step, options }: { step: string; options: ProposeOptions },
): Promise<List[] | Unfinished> {
  const answers = new Map<number, Answered<List>>()
  const work = async ([i, question]: [number, Question]) => {
    answers.set(i, await options.calls.ask(prepared(question, options)))
  }
  for await (const _ of inParallel(questions.entries(), { limit: options.concurrency, work }));
  const lists: List[] = []
  for (let i = 0; i < questions.length; i++) {
    const answer = answers.get(i)!
    if (answer === 'not_sent') return { kind: 'not_sent', step }
    if ('reason' in answer) return { kind: 'failed', step, failure: answer }
    lists.push(answer.value)
  }
  return lists
}

function prepared({ request, users }: Question, { calls, personasMax }: ProposeOptions): PaidRequest<List> {
  return calls.prepare({ request, users, joint: true, read: (reply) => readPersonas(reply, personasMax) })
}

function groupsOf(lists: readonly List[]): List[][] {
  const groups = Math.ceil(lists.length / mergeWidth)
  return Array.from({ length: groups }, (_, g) => lists.filter((_, i) => i % groups === g))
}

/** Half of what is shown are the products of most buyers, the rest is drawn. */
function titlesOf(store: StoreReader, rng: Rng): string[] {
  const titles = new Map<string, number>()
  for (const product of store.products()) {
    const title = store.product(product)!.title?.trim()
    if (title) titles.set(title, Math.max(titles.get(title) ?? 0, store.productDegree(product)))
  }
  const popular = [...titles].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([title]) => title)
  const rest = popular.slice(popularTitles)
  for (let i = rest.length - 1; i > 0; i--) {
    const j = rng.below(i + 1)
    ;[rest[i], rest[j]] = [rest[j]!, rest[i]!]
  }
  return [...popular.slice(0, popularTitles), ...rest]
}

const popularTitles = 60
