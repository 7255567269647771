// The soak: one process ingests and is killed every so often, two look up in the same directory, all under load. Every answer
// is held against the change events of the whole run (history.ts): none may be wrong, torn, older than one before, or fail.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { generateShop } from '../../src/demo/shop.ts'
import { writeLabels } from '../bench/shared.ts'
import { ServeProcess } from '../serve-process.ts'
import { History } from './history.ts'
import { Readers } from './readers.ts'
import { Writer } from './writer.ts'

export type SoakOptions = {
  readonly seconds: number
  readonly killEverySeconds: number
  readonly report: (line: string) => void
}
export type SoakResult = {
  readonly seconds: number
  readonly kills: number
  readonly events: number
  readonly erasures: number
  readonly lookups: number
  readonly failed: number
  readonly wrong: number
  readonly problems: readonly string[]
  /** States (user and version) that were answered, each held against the changes. */
  readonly states_compared: number
  readonly changes: number
  /** Of lookups of one user, in clients that send one after another beside the load. */
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

const lookupProcesses = 2
const eventsPerSecond = 1_000
/** A shopper of the demo's shop does about so many things. */
const eventsPerShopper = 12
const shoppersMax = 90_000
const pageRows = 1000
const settlePollMs = 50
const settleMsMax = 60_000

export async function soak({ seconds, killEverySeconds, report }: SoakOptions): Promise<SoakResult> {
  const dir = await mkdtemp(join(tmpdir(), 'kindred-soak-'))
  const shoppers = Math.min(shoppersMax, Math.ceil((seconds * eventsPerSecond) / eventsPerShopper) + 500)
  const shop = generateShop({ seed: 1, shoppers })
  const labels = join(dir, 'labels.ndjson')
  writeLabels(labels, shop.prototypes)
  const data = ['--data', join(dir, 'data')]
  const ingest = new ServeProcess(['--role', 'ingest', ...data, '--prototypes', labels])
  const lookups = Array.from(
    { length: lookupProcesses },
    () => new ServeProcess(['--role', 'lookup', ...data]),
  )
  try {
    await Promise.all([ingest.start(), ...lookups.map((lookup) => lookup.start())])
    const history = new History()
    const writer = new Writer({ ingest, lookups, events: shop.events, perSecond: eventsPerSecond, history })
    const readers = new Readers({ lookups, known: writer.known, erased: writer.erased, history })
    const began = performance.now()
    const loads = [writer.run(), readers.run()]
    let kills = 0
    for (;;) {
      const left = began + seconds * 1000 - performance.now()
      await sleep(Math.min(killEverySeconds * 1000, left))
      if (left <= killEverySeconds * 1000) break // not by the clock: a timer may go off a fraction of a millisecond early
      await ingest.kill()
      kills++
      await ingest.start()
      report(
        `${Math.round((performance.now() - began) / 1000)} s: ${writer.sent} events, ${readers.count} lookups`,
      )
    }
    await writer.stop()
    await settled(ingest)
    await readers.stop()
    await Promise.all(loads)
    const changes = await changesOf(lookups[0]!)
    const compared = history.judge(changes)
    for (const lookup of lookups) await lookup.stop()
    await ingest.stop()
    return {
      seconds: Math.round((performance.now() - began) / 1000),
      kills,
      events: writer.sent,
      erasures: writer.erased.size,
      lookups: readers.count,
      failed: readers.failed,
      wrong: history.wrong,
      problems: history.problems,
      states_compared: compared,
      changes: changes.length,
      ...readers.latency(),
    }
  } finally {
    await Promise.all([ingest, ...lookups].map((one) => one.kill()))
    await rm(dir, { recursive: true, force: true })
  }
}

/** Resolves when everything that was acknowledged is applied. */
async function settled(ingest: ServeProcess): Promise<void> {
  for (const end = performance.now() + settleMsMax; ; ) {
    const reply = await fetch(`${ingest.url}/readyz`)
    if (reply.ok && ((await reply.json()) as { backlog: number }).backlog === 0) return
    if (performance.now() > end) throw new Error(`not all is applied after ${settleMsMax / 1000} s`)
    await sleep(settlePollMs)
  }
}

/** Every change event there was, in their order. */
async function changesOf(lookup: ServeProcess): Promise<ChangeEvent[]> {
  const all: ChangeEvent[] = []
  for (let after = 0; ; ) {
    const reply = await fetch(`${lookup.url}/v1/changes?after=${after}&limit=${pageRows}`)
    if (!reply.ok) throw new Error(`changes behind ${after}: ${reply.status} ${await reply.text()}`)
    const page = (await reply.json()) as { changes: ChangeEvent[]; cursor: number; more: boolean }
    for (const change of page.changes) all.push(change)
    if (!page.more) return all
    after = page.cursor
  }
}
