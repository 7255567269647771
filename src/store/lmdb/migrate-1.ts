// Schema 1 to 2: edges, a row each by (user, product), become buckets of their user's; the heads of products' lists share
// rows. Both tables are read whole, a user's edges and a product's head at a time.
import type { RootDatabase } from 'lmdb'
import type { ProductIndex, UserIndex } from '../../core/ids.ts'
import { openNumbered } from '../../lmdb/open.ts'
import { applyChanges } from './commit.ts'
import { EditedTable } from './edited-table.ts'
import { firstOf, secondOf } from './layout.ts'
import { productLists, SlotLists } from './slot-lists.ts'
import { Table } from './table.ts'
import { UserEdges } from './user-edges.ts'

/** Rows changed in memory between two writes. */
const editsMax = 1000
const headsEnd = 2 ** 26

export function migrate1(env: RootDatabase): void {
  packEdges(env)
  packHeads(env)
}

/** net f64, first and last time f64, views, carts, reviews u32, slots u32 × 2: 44 bytes. */
function packEdges(env: RootDatabase): void {
  const before = openNumbered(env, 'edges')
  const writing = new Writing(env, 'user_edges')
  const edges = new UserEdges(writing.rows)
  for (const { key, value } of before.getRange({ start: 0 })) {
    const edge = {
      net: value.readDoubleLE(0),
      views: value.readUInt32LE(24),
      carts: value.readUInt32LE(28),
      reviews: value.readUInt32LE(32),
      firstTs: value.readDoubleLE(8),
      lastTs: value.readDoubleLE(16),
    }
    edges.put(firstOf(key) as UserIndex, secondOf(key) as ProductIndex, {
      edge,
      userSlot: value.readUInt32LE(36),
      productSlot: value.readUInt32LE(40),
    })
    if (writing.edited() === editsMax) {
      writing.flush()
      edges.begin()
    }
  }
  writing.flush()
  before.dropSync()
}

/** Heads by (0, product): length u32, then the entries behind the last full block. Chunks stay as they are. */
function packHeads(env: RootDatabase): void {
  const table = openNumbered(env, 'product_users')
  const heads = [...table.getRange({ start: 0, end: headsEnd })].map(({ key, value }) => ({
    product: key,
    head: Buffer.from(value),
  }))
  for (const { product } of heads) table.removeSync(product)
  const writing = new Writing(env, 'product_users')
  const lists = new SlotLists(writing.rows, productLists)
  for (const { product, head } of heads) lists.putHead(product, head)
  writing.flush()
}

/** Rows of a table edited in memory, written inside the running transaction. */
class Writing {
  readonly rows: EditedTable
  readonly #env: RootDatabase
  readonly #table: Table
  #edits = 0

  constructor(env: RootDatabase, name: string) {
    this.#env = env
    this.#table = new Table(name, openNumbered(env, name))
    this.rows = new EditedTable(this.#table, 0)
    this.rows.begin()
  }

  /** Counts an edit; returns how many there are since the last flush. */
  edited(): number {
    return ++this.#edits
  }

  flush(): void {
    this.rows.flush()
    const changes = this.#table.seal()
    if (changes !== undefined) applyChanges(this.#env, new Map(), [changes])
    this.#table.landed()
    this.rows.ended()
    this.rows.begin()
    this.#edits = 0
  }
}
