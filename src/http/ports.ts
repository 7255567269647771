// What routes need of the service beside single lookups: further reading, and control records.
import type { AudiencePage, PersonaSetAnswer, Place } from '../lookup/audience.ts'
import type { FeedGone, FeedPage } from '../lookup/change-feed.ts'
import type { Explanation } from '../lookup/explain.ts'
import type { ProductAnswer } from '../lookup/product.ts'
import type { UserChanges } from '../lookup/user-changes.ts'

/** Reading; what is undefined does not exist (or was erased). Throws TransientError for what cannot be said now. */
export type ReadPorts = {
  explain(userId: string): Promise<Explanation | undefined>
  product(productId: string): ProductAnswer | undefined
  personaSet(): Promise<PersonaSetAnswer>
  audience(
    persona: string,
    page: { readonly after: Place | undefined; readonly limit: number },
  ): Promise<AudiencePage | undefined>
  userChanges(
    userId: string,
    page: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<UserChanges | undefined>
  feed(page: { readonly after?: number | undefined; readonly limit: number }): FeedPage | FeedGone
}

/** An erasure that is on disk. `erased`: it has been applied, too; lookups answer 404 in either case. */
export type ErasureReceipt = {
  readonly user_id: string
  readonly erased: boolean
  /** Whether anything of the user stood in the state. */
  readonly known: boolean
  /** Of the control record in the log. */
  readonly position: number
  readonly received_at: string
}

/** Another try of a quarantined record. Null: it is asked for, and not known yet. */
export type ReplayReceipt = {
  readonly id: number
  readonly tried: boolean
  readonly released: boolean | null
  /** Why it stays. */
  readonly cause: string | null
  readonly position: number
}

/**
 * Control records: what they resolve to is on disk, and applied if that took no more than a while. They throw TransientError
 * when it cannot be done now.
 */
export type ControlPorts = {
  erase(userId: string): Promise<ErasureReceipt>
  /** Undefined for an id that is not in quarantine. */
  requeue(id: number): Promise<ReplayReceipt | undefined>
}
