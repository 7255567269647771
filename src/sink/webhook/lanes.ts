// What waits for one subscription, in memory: a lane a user, in the order of its changes, of which the first is due at some
// time and no other before it is out of the way. Pure: time comes in.

export type Item = {
  readonly key: string
  readonly user: string
  readonly dueAt: number
  readonly queuedAt: number
}
type Lane = { items: Item[]; inFlight: Item | undefined }

export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #items = new Map<string, Item>()
  /** Heads of lanes by the time they are due; one that is head no longer is passed over when it comes up. */
  readonly #heads = new Heap(dueBefore)
  /** All items by the time they were queued; one that is gone is passed over when it comes up. */
  readonly #oldest = new Heap(queuedBefore)

  /** Items that wait or are in flight. */
  get size(): number {
    return this.#items.size
  }

  /** When the item was queued that waits or is in flight for longest; undefined without any. */
  get oldestQueuedAt(): number | undefined {
    for (;;) {
      const { first } = this.#oldest
      if (first === undefined || this.#items.get(first.key)?.queuedAt === first.queuedAt)
        return first?.queuedAt
      this.#oldest.pop()
    }
  }

  /** Entries of heads, those among them that are heads no longer: what memory holds beside the items. */
  get heads(): number {
    return this.#heads.size
  }

  has(key: string): boolean {
    return this.#items.has(key)
  }

  /** Adds an item at its place; one that is there already changes nothing. */
  add(item: Item): void {
    if (this.#items.has(item.key)) return
    this.#items.set(item.key, item)
    // what has gone stays in the heap while something older waits: it is made anew before that is more than half of it
    if (this.#oldest.size > 2 * this.#items.size) this.#oldest.reset(this.#items.values())
    else this.#oldest.push(item)
    const lane = this.#lanes.get(item.user) ?? { items: [], inFlight: undefined }
    this.#lanes.set(item.user, lane)
    if (insert(lane, item) === 0) this.#offer(lane)
  }

  /** The item longest due by `now`, which is in flight from now on. */
  take(now: number): Item | undefined {
    const head = this.#firstHead()
    if (head === undefined || head.dueAt > now) return undefined
    this.#heads.pop()
    const lane = this.#lanes.get(head.user)!
    lane.items.shift()
    lane.inFlight = head
    return head
  }

  /** When the next item is due; undefined when none waits, or only behind what is in flight. */
  get dueAt(): number | undefined {
    return this.#firstHead()?.dueAt
  }

  /** Puts an item that is in flight back, to be due later. Nothing when it was removed meanwhile. */
  retry(key: string, dueAt: number): void {
    const lane = this.#laneOf(key)
    if (lane?.inFlight?.key !== key) return
    const item = { ...lane.inFlight, dueAt }
    lane.inFlight = undefined
    insert(lane, item)
    this.#offer(lane)
  }

  /** All that waits is due as soon as its user's turn comes, the longest queued first. */
  resume(): void {
    for (const lane of this.#lanes.values())
      lane.items = lane.items.map((item) => ({ ...item, dueAt: Math.min(item.dueAt, item.queuedAt) }))
    this.#heads.reset([])
    for (const lane of this.#lanes.values()) this.#offer(lane)
  }

  /** Forgets an item, in flight or not: the next of its user is let go. */
  remove(key: string): void {
    const user = this.#items.get(key)?.user
    const lane = this.#laneOf(key)
    if (user === undefined || lane === undefined) return
    this.#items.delete(key)
    const first = lane.items[0]
    const wasInFlight = lane.inFlight?.key === key
    if (wasInFlight) lane.inFlight = undefined
    else lane.items = lane.items.filter((item) => item.key !== key)
    if (lane.items.length === 0 && lane.inFlight === undefined) this.#lanes.delete(user)
    else if (wasInFlight || first?.key === key) this.#offer(lane)
  }

  /** Items queued before `time` that are not in flight, `limit` at the most. */
  queuedBefore(time: number, limit: number): Item[] {
    const found: Item[] = []
    for (const { items } of this.#lanes.values())
      for (const item of items) {
        if (found.length === limit) return found
        if (item.queuedAt < time) found.push(item)
      }
    return found
  }

  #laneOf(key: string): Lane | undefined {
    const user = this.#items.get(key)?.user
    return user === undefined ? undefined : this.#lanes.get(user)
  }

  #offer({ items, inFlight }: Lane): void {
    if (inFlight === undefined && items[0] !== undefined) this.#heads.push(items[0])
  }

  #firstHead(): Item | undefined {
    for (;;) {
      const head = this.#heads.first
      if (head === undefined) return undefined
      const lane = this.#lanes.get(head.user)
      if (lane !== undefined && lane.inFlight === undefined && lane.items[0] === head) return head
      this.#heads.pop()
    }
  }
}

/** Puts the item at its place, which is returned. */
function insert({ items }: Lane, item: Item): number {
  const at = items.findLastIndex(({ key }) => key < item.key) + 1
  items.splice(at, 0, item)
  return at
}

type Order = (a: Item, b: Item) => boolean

/** Binary heap of items. */
class Heap {
  readonly #items: Item[] = []
  readonly #before: Order

  constructor(before: Order) {
    this.#before = before
  }

  get first(): Item | undefined {
    return this.#items[0]
  }

  get size(): number {
    return this.#items.length
  }

  reset(items: Iterable<Item>): void {
    this.#items.length = 0
    for (const item of items) this.push(item)
  }

  push(item: Item): void {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(item, items[parent]!)) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  pop(): void {
    const items = this.#items
    const moved = items.pop()
    if (moved === undefined || items.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && this.#before(items[child + 1]!, items[child]!)) child++
      if (!this.#before(items[child]!, moved)) break
      items[at] = items[child]!
      at = child
    }
    items[at] = moved
  }
}

function dueBefore(a: Item, b: Item): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.key < b.key)
}

function queuedBefore(a: Item, b: Item): boolean {
  return a.queuedAt < b.queuedAt
}
