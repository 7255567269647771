// The key layout of the LMDB store, as one table.
/** The layout's number; a store of another number is refused, or migrated (migrations.ts). */
export const schemaVersion = 4

/**
 * | table         | key                  | value                                                               |
 * |---------------|----------------------|---------------------------------------------------------------------|
 * | meta          | name                 | JSON: schema, settings, counters, pending import, changes begin     |
 * | user_ids      | user id, UTF-8       | user index, u32                                                     |
 * | users         | user index           | the answer row (rows.ts)                                            |
 * | product_ids   | product id, UTF-8    | product index, u32                                                  |
 * | products      | product index        | product id, title, category; what the epoch's words are of           |
 * | user_edges    | (user, bucket)       | edges by hash of product (user-edges.ts), 48 bytes each:            |
 * |               |                      | product, slot in either list, counts, net quantity, times           |
 * | user_products | (0, user)            | list head: length u32, last slots of (product u32, weight u16)      |
 * |               | (user + 1, chunk)    | the slots before those, 320 a chunk                                 |
 * | product_users | (0, product / 16)    | sixteen heads: length u32, last slots of (user u32, weight u16)     |
 * |               | (product + 1, chunk) | the slots before those, likewise                                    |
 * | vectors       | (version, product)   | M, published at, B, b̂                                               |
 * | versions      | version              | JSON: personas, hash, share sums                                    |
 * | labels        | (version, user)      | label shares (version 0: of the pending import, by ordinal)         |
 * | label_notes   | (version, user)      | JSON: who labelled a prototype, and why                             |
 * | held_out      | (version, user)      | JSON: shares of a held-out user, who labelled it, and why           |
 * | epochs        | epoch                | JSON: the fit of probabilities                                      |
 * | content_fits  | number               | JSON header of words, word weights (i32) of the model and its folds |
 * | seen          | position / 64        | 64 × 16 bytes: hashes of event ids                                  |
 * | watermarks    | source name          | next offset, f64                                                    |
 * | schemas       | key of the source    | writer schema of records, JSON                                      |
 * | journal       | ordinal              | JSON: source, offset range, position                                |
 * | outbox        | change number        | user index u32, change event as JSON                                |
 * | erasures      | change number        | user id whose erasure sinks must be told of, until they are         |
 * | quarantine    | id                   | JSON header, original bytes                                         |
 * | sinks         | sink name            | JSON: next change number (or quarantine id)                         |
 * | tombstones    | keyed hash of a user | JSON: position, watermarks                                          |
 * | scrubs        | ordinal              | JSON: user id, log offset                                           |
 *
 * (a, b) is a 53-bit number a · 2²⁶ + b, stored as 8 bytes, big end first, so that it sorts by a, then b.
 */
export const tableNames = [
  'users',
  'products',
  'vectors',
  'versions',
  'labels',
  'label_notes',
  'held_out',
  'epochs',
  'content_fits',
  'journal',
  'outbox',
  'erasures',
  'quarantine',
  'scrubs',
] as const
/** Tables whose rows are edited in place, and the memory for rows kept between transactions. */
export const editedTables = {
  user_edges: 48 << 20,
  user_products: 32 << 20,
  product_users: 32 << 20,
  seen: 0,
} as const
export const namedTables = [
  'meta',
  'user_ids',
  'product_ids',
  'schemas',
  'watermarks',
  'sinks',
  'tombstones',
] as const

const half = 2 ** 26

/** The key (a, b), b < 2²⁶. */
export function pair(a: number, b: number): number {
  return a * half + b
}
export function firstOf(key: number): number {
  return Math.floor(key / half)
}
export function secondOf(key: number): number {
  return key % half
}

/** End of a range over all keys. */
export const everything = Number.MAX_SAFE_INTEGER

export function parseJson<T>(bytes: Buffer): T {
  return JSON.parse(bytes.toString('utf8')) as T
}
