/**
 * Oracle, inputs for property tests: small dense sequences of records. A sequence is drawn as steps that
 * name users, products and earlier events by number, so that a shrunk sequence is still a dense one.
 */
import fc from 'fast-check'
import { type ImportDraft, importDraftArbitrary, importOf } from './import-arbitrary.ts'
import type { OracleEvent, OracleEventType, OracleImport, OracleRecord } from './model.ts'
import { eventIdPrefixes, idArbitrary } from './odd-ids.ts'

export interface SequenceSize {
  readonly users: readonly [min: number, max: number]
  readonly products: readonly [min: number, max: number]
  /** Length of the sequence, imports included. */
  readonly records: readonly [min: number, max: number]
  readonly labels: readonly [min: number, max: number]
}

export const smallSize: SequenceSize = {
  users: [2, 8],
  products: [1, 6],
  records: [10, 120],
  labels: [1, 6],
}

/** Few products, many prototypes: b often moves too little to be published. */
export const crowdSize: SequenceSize = {
  users: [20, 40],
  products: [1, 3],
  records: [80, 300],
  labels: [10, 30],
}

export function recordsArbitrary(size: SequenceSize = smallSize): fc.Arbitrary<OracleRecord[]> {
  const [recordsMin, recordsMax] = size.records
  return fc
    .record({
      users: fc.uniqueArray(idArbitrary, { minLength: size.users[0], maxLength: size.users[1] }),
      products: fc.uniqueArray(idArbitrary, { minLength: size.products[0], maxLength: size.products[1] }),
      /** Users who are labelled and may never be seen. */
      ghosts: fc.uniqueArray(idArbitrary, { minLength: 1, maxLength: 2 }),
      hasHub: fc.boolean(),
      steps: fc.array(stepArbitrary, { minLength: recordsMin, maxLength: recordsMax, size: 'max' }),
      imports: fc.array(importDraftArbitrary(size.labels), { minLength: 1, maxLength: 3 }),
    })
    .map((draft) => recordsOf(draft, recordsMax))
}

type Step =
  | { step: 'event'; user: number; product: number; type: OracleEventType; quantity: number; day: number }
  /** An event of somebody labelled by the last import. */
  | { step: 'prototype_event'; label: number; product: number; type: OracleEventType; day: number }
  /** Everybody buys the first product. */
  | { step: 'everybody'; day: number }
  /** An earlier event again; `altered`: its id alone, on another user's event. */
  | { step: 'duplicate'; of: number; altered: boolean; user: number }
  /** Gives back what an earlier purchase bought. */
  | { step: 'undo'; of: number; day: number }
  | { step: 'erase'; user: number }
  | { step: 'erase_prototype'; label: number }

type Quantity = number

const index = fc.nat({ max: 1000 })
const day = fc.integer({ min: 0, max: 400 })
/** 0 stands for a missing quantity. */
const quantity: fc.Arbitrary<Quantity> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(12, 1_000_000_000) },
)
const type = fc.constantFrom<OracleEventType>('purchase', 'purchase', 'return', 'view', 'cart', 'review')

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 60,
    arbitrary: fc.record({
      step: fc.constant('event' as const),
      user: index,
      product: index,
      type,
      quantity,
      day,
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      step: fc.constant('prototype_event' as const),
      label: index,
      product: index,
      type,
      day,
    }),
  },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('everybody' as const), day }) },
  {
    weight: 7,
    arbitrary: fc.record({
      step: fc.constant('duplicate' as const),
      of: index,
      altered: fc.boolean(),
      user: index,
    }),
  },
  { weight: 6, arbitrary: fc.record({ step: fc.constant('undo' as const), of: index, day }) },
  { weight: 3, arbitrary: fc.record({ step: fc.constant('erase' as const), user: index }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('erase_prototype' as const), label: index }) },
)

interface Draft {
  readonly users: readonly string[]
  readonly products: readonly string[]
  readonly ghosts: readonly string[]
  readonly hasHub: boolean
  readonly steps: readonly Step[]
  readonly imports: readonly ImportDraft[]
}

function recordsOf(draft: Draft, recordsMax: number): OracleRecord[] {
  const { steps } = draft
  const records: OracleRecord[] = []
  const drafts = [...draft.imports].sort((a, b) => a.at - b.at)
  let last: OracleImport | null = null
  for (let at = 0; at <= steps.length; at++) {
    while (drafts.length > 0 && (drafts[0]!.at * steps.length) / 1000 <= at) {
      const users = [...draft.users, ...draft.ghosts]
      last = importOf({ draft: drafts.shift()!, last, users })
      records.push(last)
    }
    const step = steps[at]
    if (step !== undefined && records.length + drafts.length < recordsMax) {
      const room = recordsMax - records.length - drafts.length
      records.push(...eventsOf(step, { draft, records, last }).slice(0, room))
    }
  }
  return records
}

interface StepContext {
  readonly draft: Draft
  /** The records before. */
  readonly records: readonly OracleRecord[]
  readonly last: OracleImport | null
}

function eventsOf(step: Step, context: StepContext): OracleRecord[] {
  const { draft, records, last } = context
  const earlier = records.filter((record) => record.kind === 'event')
  const labelled = last === null || last.labels.length === 0 ? draft.users : last.labels.map((l) => l.user_id)
  const productOf = (number: number) => pick(draft.products, draft.hasHub && number % 2 === 0 ? 0 : number)
  switch (step.step) {
    case 'event': {
      const { type, quantity, day } = step
      const user_id = pick(draft.users, step.user)
      return [
        eventOf({ nth: records.length, user_id, product_id: productOf(step.product), type, quantity, day }),
      ]
    }
    case 'prototype_event': {
      const { type, day } = step
      const user_id = pick(labelled, step.label)
      const product_id = productOf(step.product)
      return [eventOf({ nth: records.length, user_id, product_id, type, quantity: 0, day })]
    }
    case 'everybody': {
      const product_id = draft.products[0]!
      return draft.users.map((user_id, place) => {
        const nth = records.length + place
        return eventOf({ nth, user_id, product_id, type: 'purchase', quantity: 0, day: step.day })
      })
    }
    case 'duplicate': {
      if (earlier.length === 0) return []
      const event = pick(earlier, step.of)
      return [
        step.altered ? { ...event, user_id: pick(draft.users, step.user), type: 'purchase' } : { ...event },
      ]
    }
    case 'undo': {
      const purchases = earlier.filter((event) => event.type === 'purchase')
      if (purchases.length === 0) return []
      const { user_id, product_id, quantity } = pick(purchases, step.of)
      const { day } = step
      return [
        eventOf({ nth: records.length, user_id, product_id, type: 'return', quantity: quantity ?? 0, day }),
      ]
    }
    case 'erase':
      return [{ kind: 'erase', user_id: pick(draft.users, step.user) }]
    case 'erase_prototype':
      return [{ kind: 'erase', user_id: pick(labelled, step.label) }]
  }
}

function eventOf(options: {
  readonly nth: number
  readonly user_id: string
  readonly product_id: string
  readonly type: OracleEventType
  readonly quantity: Quantity
  readonly day: number
}): OracleEvent {
  const { nth, user_id, product_id, type, quantity, day } = options
  return {
    kind: 'event',
    event_id: `${eventIdPrefixes[nth % eventIdPrefixes.length]}${nth}`,
    user_id,
    product_id,
    type,
    ...(quantity === 0 ? {} : { quantity }),
    ts: timeOf(day),
    ...(nth % 3 === 0 ? { title: `title of ${product_id.slice(0, 8)}` } : {}),
  }
}

/** Days come in any order: late events and equal times are the rule. */
function timeOf(day: number): string {
  if (day === 0) return '1970-01-01T00:00:00.000Z'
  if (day === 400) return '2099-12-31T23:59:59.999Z'
  return new Date(Date.UTC(2020, 0, day)).toISOString()
}

function pick<T>(items: readonly T[], number: number): T {
  return items[number % items.length]!
}
