// A shop of invented shoppers as a data directory and files, for commands that label.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from './command.ts'
import { ndjsonOf } from './events.ts'
import { personas } from './labelling.ts'

export type LabellingShop = {
  readonly data: string
  readonly personas: string
  readonly users: readonly string[]
}

const goods: Readonly<Record<string, readonly string[]>> = {
  baker: ['Cake tin', 'Icing sugar', 'Baking paper', 'Strong bread flour', 'Cake stand'],
  gardener: ['Garden trowel', 'Tomato seeds', 'Terracotta plant pots', 'Garden gloves', 'Sunflower seeds'],
  parent: ['Baby diapers, 84', 'Nursing pillow', 'Wooden rattle', 'Baby bottle', 'Diaper cream'],
}

/** `each` shoppers of each kind, who share what they bought with others of it; the last of a kind bought once. */
export async function makeShop(dir: string, each: number): Promise<LabellingShop> {
  const users: string[] = []
  const events: object[] = []
  for (const [kind, titles] of Object.entries(goods))
    for (let n = 0; n < each; n++) {
      const user_id = `${kind}-${n}`
      users.push(user_id)
      const bought = n === each - 1 ? titles.slice(0, 1) : titles.filter((_, i) => i !== n % titles.length)
      for (const [i, title] of bought.entries())
        events.push({
          event_id: `${user_id}:${i}`,
          user_id,
          product_id: title,
          type: 'purchase',
          quantity: 1 + ((n * 7 + i) % 3),
          ts: new Date(Date.UTC(2025, 0, 1 + n, i)).toISOString(),
          title,
        })
    }
  const data = join(dir, 'data')
  const set = join(dir, 'personas.json')
  writeFileSync(set, JSON.stringify({ version: '1', personas }))
  await succeed(['replay', '-', '--data', data], { stdin: ndjsonOf(events) })
  return { data, personas: set, users }
}
