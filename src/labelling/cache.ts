// Cache of paid answers by content: an answer counts once it is on disk, and is never paid for again.
import { AppendFile } from './append-file.ts'
import type { Reply, Usage } from './reply.ts'

/**
 * One paid answer. `users` are whose basket stood in the request: an erased user takes the entry along. Where two users
 * share a basket, and so an answer, each has an entry.
 */
export type CachedAnswer = {
  readonly key: string
  readonly users: readonly string[]
  /** The ledger's call that paid for it; a copy for another user has none. */
  readonly call?: string
  readonly reply: Reply
  readonly usage: Usage
}

export class AnswerCache {
  readonly #file: AppendFile<CachedAnswer>
  readonly #answers = new Map<string, CachedAnswer>()
  readonly #kept = new Set<string>()

  private constructor(file: AppendFile<CachedAnswer>, entries: readonly CachedAnswer[]) {
    this.#file = file
    for (const entry of entries) this.#remember(entry)
  }

  static open(path: string): AnswerCache {
    const { file, entries } = AppendFile.open<CachedAnswer>(path)
    return new AnswerCache(file, entries)
  }

  /** The newest answer to a request. */
  get(key: string): CachedAnswer | undefined {
    return this.#answers.get(key)
  }

  /** Every answer, the newest of each request. */
  answers(): Iterable<CachedAnswer> {
    return this.#answers.values()
  }

  /** On disk when this returns. */
  put(entries: readonly CachedAnswer[]): void {
    this.#file.append(entries)
    for (const entry of entries) this.#remember(entry)
  }

  /** Another's answer is these users' too: they keep it when the other is erased. */
  share(key: string, users: readonly string[]): void {
    const { reply, usage } = this.#answers.get(key)!
    const lacking = users.filter((user) => !this.#kept.has(placeOf(key, user)))
    this.put(lacking.map((user) => ({ key, users: [user], reply, usage })))
  }

  close(): void {
    this.#file.close()
  }

  #remember(entry: CachedAnswer): void {
    this.#answers.set(entry.key, entry)
    for (const user of entry.users) this.#kept.add(placeOf(entry.key, user))
  }
}

function placeOf(key: string, user: string): string {
  return `${key} ${user}`
}
