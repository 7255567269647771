// A shop of invented shoppers as a data directory and files, for commands that label.
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { json, makeDirectory, removeDirectory, type Settings, succeed, withDirectory } from './command.ts'
import { ndjsonOf } from './events.ts'
import { type FakeOpenAi, startFakeOpenAi } from './fake-openai.ts'
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

export type Given = {
  readonly dir: string
  /** A copy of the shop's data. */
  readonly data: string
  readonly out: string
  /** Arguments of `prototypes label` against the fake API. */
  labelling(...args: string[]): string[]
  /** What it prints with --json, when it succeeds. */
  label(settings: Settings, ...args: string[]): Promise<Record<string, unknown>>
}

/** A shop and a fake API that tests share, each on a copy of the data. */
export type LabellingRig = {
  readonly api: FakeOpenAi
  readonly shop: LabellingShop
  withShop(work: (given: Given) => Promise<void>): Promise<void>
  stop(): Promise<void>
}

export async function startLabellingRig(): Promise<LabellingRig> {
  const root = makeDirectory()
  const shop = await makeShop(root, 4)
  const api = await startFakeOpenAi()
  return {
    api,
    shop,
    withShop: (work) =>
      withDirectory((dir) => {
        const [data, out] = [join(dir, 'data'), join(dir, 'labels.ndjson')]
        cpSync(shop.data, data, { recursive: true })
        const fixed = ['prototypes', 'label', '--data', data, '--personas', shop.personas, '--out', out]
        const labelling = (...args: string[]) => [...fixed, '--base-url', api.baseUrl, ...args]
        const label: Given['label'] = (settings, ...args) => json(labelling(...args), { env: settings })
        return work({ dir, data, out, labelling, label })
      }),
    async stop() {
      await api.stop()
      removeDirectory(root)
    },
  }
}
