// Clients that keep sending purchases to a server, and remember what was acknowledged.
import type { Server } from './server.ts'

export type Purchase = {
  readonly event_id: string
  readonly user_id: string
  readonly product_id: string
  readonly type: 'purchase'
  readonly ts: string
}

/** One purchase of each of `count` users named after `name`, of twenty products in turn. */
export function purchasesOf(name: string, count: number): Purchase[] {
  return Array.from({ length: count }, (_, n) => ({
    event_id: `${name}:${n}`,
    user_id: `${name}-${n}`,
    product_id: `p${n % 20}`,
    type: 'purchase',
    ts: new Date(Date.UTC(2025, 0, 1) + n * 1000).toISOString(),
  }))
}

export type Traffic = {
  /** Users of the purchases that were acknowledged so far. */
  readonly acknowledged: readonly string[]
  /** Sends no more; resolves when every answer has come. */
  stop(): Promise<void>
}

/** `clients` at once, each sending `perRequest` purchases again and again until it is stopped or refused the connection. */
export function traffic(
  server: Server,
  { name, clients, perRequest }: { name: string; clients: number; perRequest: number },
): Traffic {
  const acknowledged: string[] = []
  let stopped = false
  const client = async (id: number) => {
    for (let n = 0; !stopped; n++) {
      const purchases = purchasesOf(`${name}-${id}-${n}`, perRequest)
      const reply = await server.post(purchases).catch(() => undefined)
      if (reply === undefined) return // the server has gone
      if (reply.status === 202) acknowledged.push(...purchases.map(({ user_id }) => user_id))
    }
  }
  const running = Promise.all(Array.from({ length: clients }, (_, id) => client(id)))
  return {
    acknowledged,
    async stop() {
      stopped = true
      await running
    },
  }
}
