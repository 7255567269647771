// What the API reads: the lookups over one reader of the state, on the thread that answers requests.
import type { Config } from './config.ts'
import type { LookupPorts } from './http/app.ts'
import { lookUp } from './lookup/answer.ts'
import { AnswerCache } from './lookup/answer-cache.ts'
import { audiencePage, personaSetOf } from './lookup/audience.ts'
import { CensusTaker } from './lookup/census.ts'
import { readFeed } from './lookup/change-feed.ts'
import { explaining } from './lookup/explain.ts'
import { PersonaNames } from './lookup/names.ts'
import { lookUpProduct } from './lookup/product.ts'
import { Slices } from './lookup/slices.ts'
import { Labels, snapshotOf } from './lookup/snapshot.ts'
import { ChangeIndex } from './lookup/user-changes.ts'
import type { StoreReader } from './store/port.ts'

export type Reads = LookupPorts & {
  close(): Promise<void>
}
export type ReadsOptions = {
  readonly config: Config
  /** Users that nobody is told of: their erasure is on its way. */
  hidden(userId: string): boolean
  /** ms of the clock. */
  now(): number
}

export function createReads(store: StoreReader, { config, hidden, now }: ReadsOptions): Reads {
  const names = new PersonaNames(store)
  const slices = new Slices()
  const labels = new Labels(store)
  const answers = new AnswerCache(store, names)
  const census = new CensusTaker(store, { names, slices, now })
  const changes = new ChangeIndex(store, slices)
  return {
    lookUp: (userId) => (hidden(userId) ? undefined : lookUp(store, names, userId)),
    lookUpJson: (userId) => (hidden(userId) ? undefined : answers.lookUpJson(userId)),
    async explain(userId) {
      if (hidden(userId)) return undefined
      const found = await slices.run(explaining(snapshotOf(store, config), { userId, labels }))
      if (found === undefined || hidden(userId)) return undefined
      return {
        ...found,
        prototypes: found.prototypes.filter(({ user_id }) => !hidden(user_id)),
        paths: found.paths.filter(({ prototype }) => !hidden(prototype)),
      }
    },
    product: (productId) => lookUpProduct({ store, kappa: config.kappa }, productId),
    personaSet: async () => personaSetOf(await census.take()),
    async audience(persona, page) {
      const taken = await census.take()
      const found = audiencePage({ store, names, census: taken }, { persona, ...page })
      return found && { ...found, users: found.users.filter(({ user_id }) => !hidden(user_id)) }
    },
    async userChanges(userId, page) {
      const user = hidden(userId) ? undefined : store.userIndexOf(userId)
      const found = user === undefined ? undefined : await changes.of(user, page)
      return hidden(userId) ? undefined : found
    },
    feed: (page) => readFeed(store, page),
    close: async () => slices.close(),
  }
}
