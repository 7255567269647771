// The schemas of requests and answers: the one source of their types, of validation and of the OpenAPI document.
import { z } from 'zod'
import { isEventTime } from '../codec/event.ts'
import { idProblem } from '../core/ids.ts'
import { idBytesMax, quantityMax, tsMax } from '../core/limits.ts'
import { statuses } from '../core/persona.ts'

/** Ids of one batch, and events of one request. */
export const batchIdsMax = 1000
export const eventsMax = 100_000

/** Schemas that the document names; `id` is the name. */
export const named = z.registry<{ id: string; description?: string }>()

/** The same of bodies that clients send: what has a default may be left out of them. */
export const taken = z.registry<{ id: string; description?: string }>()

function name<T extends z.ZodType>(id: string, schema: T, description?: string): T {
  named.add(schema, description === undefined ? { id } : { id, description })
  return schema
}

/** An opaque id, as `idProblem` says; `what` names it in the problem. */
export function opaqueId(what: string) {
  const wrong = (id: unknown) => `the ${what} ${idProblem(id) ?? 'is no id'}`
  const whole = { error: ({ input }: { input?: unknown }) => wrong(input), abort: true }
  return z
    .string({ error: ({ input }) => wrong(input) })
    .min(1, whole)
    .max(idBytesMax, whole)
    .check((context) => {
      if (idProblem(context.value) === undefined) return
      context.issues.push({ code: 'custom', message: wrong(context.value), input: context.value })
    })
    .describe('opaque: 1 to 256 bytes of UTF-8, any content; percent-encoded in a path')
}

/** A whole number as a query or path has it. */
export function whole(min: number, max: number) {
  const decimal = (value: unknown) =>
    typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value
  const error = `is no whole number from ${min} to ${max}`
  return z.preprocess(decimal, z.number({ error }).int({ error }).min(min, { error }).max(max, { error }))
}

const share = z.number().min(0).max(1)
const time = z.iso.datetime()
const count = z.number().int().min(0)
const shares = z.record(z.string(), z.number())
const status = z.enum(statuses)

export const problem = name(
  'Problem',
  z.looseObject({
    type: z.string(),
    status: z.number().int(),
    title: z.string(),
    detail: z.string().describe('what happened and what to do about it'),
    request_id: z.string().describe('id of the request, as in x-request-id: the log speaks of it by this'),
  }),
  'Problem details (RFC 9457): every error has this form.',
)

const heldPersona = z.object({ persona: z.string(), probability: share, since: time })

const answer = {
  user_id: z.string(),
  status,
  personas: z.array(heldPersona).describe('held personas, most probable first'),
  primary: z.string().nullable(),
  landing_mass: z.number().min(0).nullable().describe('null for a prototype, which answers with its labels'),
  method: z.enum(['none', 'exact', 'sampled', 'content', 'label']),
  version: count.describe("number of the user's changes so far"),
  prototype_set_version: count,
  calibration_epoch: count.describe('fit that the probabilities are of; 0: they are shares of the walk'),
  missing: z.string().optional().describe('what is missing, with status unknown'),
  purchases_needed: z.number().int().nullable().optional(),
}
export const personasAnswer = name('PersonasAnswer', z.object(answer), 'What is held for one user.')

export const userIds = z.object({ user_ids: z.array(opaqueId('user id')).min(1).max(batchIdsMax) })
taken.add(userIds, { id: 'UserIds', description: `Users of a batch, ${batchIdsMax} at the most.` })
export const personasBatch = name(
  'PersonasBatch',
  z.object({
    users: z
      .array(
        z.union([
          z.object({ found: z.literal(true), ...answer }),
          z.object({ found: z.literal(false), user_id: z.string() }),
        ]),
      )
      .describe('an entry an id, in the order of the ids'),
  }),
)

const logOdds = z.object({ base: z.number(), walk: z.number(), words: z.number(), degree: z.number() })
export const explanation = name(
  'Explanation',
  z.object({
    ...answer,
    products: z.array(
      z.object({
        product_id: z.string(),
        title: z.string().nullable(),
        weight: z.number(),
        share: z.number(),
        personas: shares,
        words: shares.nullable(),
      }),
    ),
    parts: z.record(z.string(), logOdds).nullable(),
    prototypes: z.array(
      z.object({
        user_id: z.string(),
        share: z.number(),
        personas: shares,
        labeller: z.string().optional(),
        rationale: z.string().optional(),
      }),
    ),
    paths: z
      .array(
        z.object({
          product_id: z.string(),
          prototype: z.string().describe('user id of the labelled user'),
          weight: z.number().describe('their purchases of the product'),
          share: z.number().describe('of the answer'),
        }),
      )
      .describe('from the products to the labelled users, those that carry most first'),
    prior_share: z.number(),
    counterfactual: z
      .object({
        product_id: z.string(),
        title: z.string().nullable(),
        status: z.string(),
        personas: z.array(z.string()),
        primary: z.string().nullable(),
      })
      .nullable()
      .describe('the one product without which the answer is another'),
    note: z.string().optional(),
    labeller: z.string().optional(),
    rationale: z.string().optional(),
  }),
  "A user's answer with the products and labelled users that carry it.",
)

const attributes = z.record(z.string(), z.unknown())
export const graph = name(
  'Graph',
  z.object({
    attributes,
    options: attributes,
    nodes: z.array(z.object({ key: z.string(), attributes })),
    edges: z.array(
      z.object({
        key: z.string(),
        source: z.string(),
        target: z.string(),
        attributes,
        undirected: z.boolean().optional(),
      }),
    ),
  }),
  'A graph as graphology serialises it: nodes of kind user, product, prototype; edges with a weight in purchases.',
)

const personaShare = z.object({ persona: z.string(), probability: z.number() })
export const changeEvent = name(
  'PersonaChange',
  z.object({
    event_id: z.string(),
    user_id: z.string(),
    sequence: z.number().int().min(1),
    occurred_at: time,
    cause: z.object({ event_id: z.string(), source: z.string(), position: count }),
    status,
    entered: z.array(personaShare),
    exited: z.array(personaShare),
    personas: z.array(personaShare),
    primary: z.string().nullable(),
    previous_primary: z.string().nullable(),
    evidence: z.array(z.object({ product_id: z.string(), title: z.string().nullable(), share: z.number() })),
    prototype_set_version: count,
  }),
  'A change of what is held for a user. Drop repeats by event_id; sequence counts 1, 2, 3 … per user.',
)
export const changePage = name(
  'ChangePage',
  z.object({
    changes: z.array(changeEvent).describe('oldest first'),
    cursor: count.describe('hand it in as `after` to go on'),
    more: z.boolean().describe('whether there is more behind the cursor already'),
  }),
)

export const personaSet = name(
  'PersonaSet',
  z.object({
    prototype_set_version: count,
    calibration_epoch: count,
    counted_at: time.describe('when users were counted'),
    users: z.object({ unknown: count, inferred: count, prototype: count }),
    personas: z.array(
      z.object({
        name: z.string(),
        description: z.string().nullable(),
        keywords: z.array(z.string()),
        base_rate: share.describe('mean label share of the prototypes'),
        users: count.describe('users that hold it, prototypes among them'),
      }),
    ),
  }),
)
/** Twelve bytes (lookup/audience.ts). */
export const audienceCursor = z.string().regex(/^[\w-]{16}$/)
export const audience = name(
  'Audience',
  z.object({
    persona: z.string(),
    counted_at: time,
    total: count.describe('users that held it when they were counted'),
    listed: count.describe(
      'of these so many can be paged through, the most probable ones; `export users` has all',
    ),
    users: z.array(z.object({ user_id: z.string(), probability: share, since: time, primary: z.boolean() })),
    next: z.string().nullable().describe('hand it in as `after` for the next page; null at the end'),
  }),
)
export const product = name(
  'Product',
  z.object({
    product_id: z.string(),
    title: z.string().nullable(),
    category: z.string().nullable(),
    buyers: count,
    labelled_mass: z.number().min(0).describe('purchases of labelled users'),
    rho: share.describe('share of the walk that labelled buyers answer; the published shares sum to it'),
    published: shares,
  }),
)

export const erasureReceipt = name(
  'ErasureReceipt',
  z.object({
    user_id: z.string(),
    erased: z.boolean().describe('false: it is on disk, and will be applied; lookups answer 404 already'),
    known: z.boolean(),
    position: count,
    received_at: time,
  }),
)
export const quarantinePage = name(
  'QuarantinePage',
  z.object({
    records: z.array(
      z.object({
        id: count,
        source: z.string(),
        position: count,
        cause: z.string(),
        size: count.describe('bytes of the record'),
        text: z.string().describe('its beginning, as UTF-8'),
      }),
    ),
    next: z.number().int().nullable().describe('hand it in as `from` for the next page; null at the end'),
  }),
)
export const replayReceipt = name(
  'ReplayReceipt',
  z.object({
    id: count,
    tried: z.boolean().describe('false: it is on disk, and will be tried'),
    released: z.boolean().nullable().describe('whether it is out of quarantine; null while not tried'),
    cause: z.string().nullable().describe('why it stays'),
    position: count,
  }),
)

const optionalText = z.string().nullable().optional()
/** As the codec of events takes them (codec/event.ts), which validates; a test holds the two together. */
export const shopEvent = z.looseObject({
  event_id: opaqueId('event id'),
  user_id: opaqueId('user id'),
  product_id: opaqueId('product id'),
  type: z.enum(['purchase', 'return', 'view', 'cart', 'review']),
  ts: z
    .union([
      z.iso.datetime({ offset: true }),
      z.iso.date(),
      z
        .number()
        .int()
        .min(0)
        .max(tsMax - 1),
    ])
    .refine(isEventTime)
    .describe(
      'ISO 8601 with a zone, a date (UTC), or ms since 1970; a day that there is, within 1970 to 2099',
    ),
  quantity: z.number().int().min(1).max(quantityMax).nullable().optional().describe('1 unless said'),
  price: z.number().nullable().optional(),
  title: optionalText,
  category: optionalText,
})
taken.add(shopEvent, {
  id: 'ShopEvent',
  description: 'What a shopper did. Fields beside these are passed over.',
})

export const accepted = name(
  'Accepted',
  z.object({ accepted: count, first_position: count, next_position: count }),
)

const segment = z.object({ id: z.string(), name: z.string(), value: z.string() })
export const openrtbData = name(
  'OpenRtbData',
  z.object({
    id: z.string().optional(),
    name: z.string(),
    segment: z.array(segment),
    ext: z.object({ segtax: z.number().int().min(1) }).optional(),
  }),
  'A Data object of OpenRTB 2.6, for user.data[]. Without ext.segtax the segment ids are our own.',
)
export const openrtbUser = name(
  'OpenRtbUser',
  z.object({
    user_id: z.string(),
    status,
    reason: z
      .enum(['deadline', 'never_seen', 'evidence'])
      .optional()
      .describe('why nothing is known, with status unknown'),
    data: z.array(openrtbData).describe('empty where nothing is known'),
  }),
)
export const openrtbBatch = name('OpenRtbBatch', z.object({ users: z.array(openrtbUser) }))

export type OpenRtbUser = z.infer<typeof openrtbUser>
export type OpenRtbData = z.infer<typeof openrtbData>
export type PersonasBatch = z.infer<typeof personasBatch>
export type QuarantinePage = z.infer<typeof quarantinePage>

export const readiness = name(
  'Readiness',
  z.object({
    status: z.literal('ready'),
    role: z.enum(['all', 'ingest', 'lookup']),
    backlog: z.number().int().describe('records that wait to be applied'),
    behind_ms: z.number().int().describe('how old the oldest record is that was accepted and is not applied'),
    ingest_problem: z.string().nullable().describe('why nothing is ingested now; null: it is'),
  }),
)
