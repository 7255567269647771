// What the stream says: events of shoppers, and control records that change how they are answered.
import type { EventId, ProductId, UserId } from './ids.ts'
import type { LabelNote, PersonaDefinition, ShareList } from './prototype.ts'

export const eventTypes = ['purchase', 'return', 'view', 'cart', 'review'] as const
export type EventType = (typeof eventTypes)[number]

/** One interaction of a user with a product. `ts` in milliseconds since 1970, never compared with a clock. */
export type ShopEvent = {
  readonly eventId: EventId
  readonly userId: UserId
  readonly productId: ProductId
  readonly type: EventType
  readonly quantity: number
  readonly ts: number
  readonly title: string | undefined
  readonly category: string | undefined
}

/** Where a record came from: the name of its source and its offset there (a line, an offset). Unique in a store. */
export type RecordRef = { readonly source: string; readonly offset: number }

/** A whole prototype set as imported; `hash` names the content, so importing it again is recognised. */
export type PrototypeImport = {
  readonly hash: string
  readonly personas: readonly PersonaDefinition[]
  /** Labelled users: prototypes, and those whom `note` holds out. */
  readonly prototypes: readonly {
    readonly userId: UserId
    readonly shares: ShareList
    readonly note?: LabelNote
  }[]
}

/**
 * Everything that changes answers or deliveries and is not an event. Control records carry no clock: what they change happens at
 * stream time, the greatest event time applied so far (`at` of an import stands in while there is none).
 */
export type ControlRecord =
  | { readonly kind: 'import'; readonly at?: number; readonly set: PrototypeImport }
  | { readonly kind: 'switch'; readonly version: number }
  | { readonly kind: 'erase'; readonly userId: UserId }
  | {
      readonly kind: 'requeue'
      readonly quarantineIds: readonly number[]
      /** Writer schemas by key that came to be known since the records were set aside. */
      readonly schemas?: Readonly<Record<string, string>>
    }
  | { readonly kind: 'drop_sink'; readonly name: string }
  /** Fit probabilities now, and decide everybody under them. */
  | { readonly kind: 'calibrate' }
