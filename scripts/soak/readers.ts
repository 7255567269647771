// The reading side of the soak: clients of each lookup process, one request after another, of every kind; each answer is noted.
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, type Random } from '../../src/demo/random.ts'
import type { PersonasAnswer } from '../../src/lookup/answer.ts'
import { percentile } from '../bench/shared.ts'
import type { ServeProcess } from '../serve-process.ts'
import type { History } from './history.ts'

export type ReadersOptions = {
  readonly lookups: readonly ServeProcess[]
  /** Users of acknowledged events, growing; and erased ones. */
  readonly known: readonly string[]
  readonly erased: ReadonlySet<string>
  readonly history: History
}

const clientsPerProcess = 3
/** How often it is looked whether there is anybody to ask about. */
const firstPollMs = 20
const batchIds = 50
/** Latencies that are kept, the first ones. */
const latenciesMax = 5_000_000

type Found = { readonly found: true } & PersonasAnswer
type Batch = { readonly users: readonly (Found | { readonly found: false; readonly user_id: string })[] }

export class Readers {
  readonly #options: ReadersOptions
  readonly #latencies: number[] = []
  #stopped = false
  count = 0
  failed = 0

  constructor(options: ReadersOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    await Promise.all(
      this.#options.lookups.flatMap((lookup, i) =>
        Array.from({ length: clientsPerProcess }, (_, n) => this.#client(lookup, i * clientsPerProcess + n)),
      ),
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
  }

  latency() {
    const rounded = (share: number) => Math.round(percentile(this.#latencies, share) * 100) / 100
    return { p50_ms: rounded(0.5), p99_ms: rounded(0.99), max_ms: rounded(1) }
  }

  async #client(lookup: ServeProcess, seed: number): Promise<void> {
    const random = createRandom(seed)
    while (!this.#stopped && this.#options.known.length === 0) await sleep(firstPollMs)
    while (!this.#stopped) {
      this.count++
      try {
        await this.#ask(lookup.url, random)
      } catch (error) {
        this.failed++
        this.#options.history.blame(`a lookup failed: ${(error as Error).message}, ${(error as Error).cause}`)
      }
    }
  }

  async #ask(url: string, random: Random): Promise<void> {
    const kind = random.uniform()
    if (kind < 0.8) return this.#single(url, random)
    if (kind < 0.92) return this.#batch(url, random)
    const id = this.#someone(random)
    if (kind < 0.95) return this.#answer(`${url}/v1/users/${id}/explanation`, id)
    if (kind < 0.97) return this.#plain(`${url}/v1/users/${id}/openrtb`, [200, 404])
    if (kind < 0.98) return this.#plain(`${url}/v1/users/${id}/changes`, [200, 404])
    if (kind < 0.99) return this.#plain(`${url}/v1/changes?after=0&limit=10`, [200])
    return this.#plain(`${url}/v1/personas`, [200])
  }

  async #single(url: string, random: Random): Promise<void> {
    const id = (random.chance(0.05) ? this.#erased(random) : undefined) ?? this.#someone(random)
    const sent = performance.now()
    await this.#answer(`${url}/v1/users/${id}/personas`, id)
    if (this.#latencies.length < latenciesMax) this.#latencies.push(performance.now() - sent)
  }

  async #batch(url: string, random: Random): Promise<void> {
    const { history } = this.#options
    const ids = Array.from({ length: batchIds }, () => this.#someone(random))
    const newest = ids.map((id) => history.newest(id))
    const reply = await fetch(`${url}/v1/users/personas`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_ids: ids }),
    })
    if (reply.status !== 200) throw new Error(`a batch was answered ${reply.status}: ${await reply.text()}`)
    const { users } = (await reply.json()) as Batch
    for (const [i, id] of ids.entries()) {
      const answer = users[i]
      if (answer?.user_id !== id) history.blame(`${id} was asked, and answered ${JSON.stringify(answer)}`)
      else this.#note(id, answer.found ? answer : undefined, newest[i])
    }
  }

  /** One answer of a user: as it must be, or blamed. */
  async #answer(url: string, id: string): Promise<void> {
    const { history, erased } = this.#options
    const gone = erased.has(id)
    const newest = history.newest(id)
    const reply = await fetch(url)
    if (reply.status !== 200 && reply.status !== 404)
      throw new Error(`${url} was answered ${reply.status}: ${await reply.text()}`)
    const body = (await reply.json()) as PersonasAnswer
    if (body.user_id !== id) history.blame(`${id} was asked, and answered ${JSON.stringify(body)}`)
    if (gone && reply.status === 200) history.blame(`${id} was erased, and is answered`)
    if (!gone) this.#note(id, reply.status === 200 ? body : undefined, newest)
  }

  #note(id: string, answer: PersonasAnswer | undefined, newest: number | undefined): void {
    if (answer !== undefined) this.#options.history.note(answer, newest)
    else if (newest !== undefined) this.#options.history.blame(`${id} was known, and is not any more`)
  }

  async #plain(url: string, statuses: readonly number[]): Promise<void> {
    const reply = await fetch(url)
    const text = await reply.text()
    if (!statuses.includes(reply.status)) throw new Error(`${url} was answered ${reply.status}: ${text}`)
    JSON.parse(text)
  }

  #someone(random: Random): string {
    const { known } = this.#options
    // half of them among the newest, of whom most changes tell
    const reach = random.chance(0.5) ? Math.min(known.length, 200) : known.length
    return known[known.length - 1 - random.integer(reach)]!
  }

  #erased(random: Random): string | undefined {
    const erased = [...this.#options.erased]
    return erased.length === 0 ? undefined : erased[random.integer(erased.length)]
  }
}
