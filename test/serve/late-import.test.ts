// Prototypes imported into a running server while events arrive: lookups answer from one version or the other, never
// from half of one, and what is left is sound.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { PersonasAnswer } from '../../src/lookup/answer.ts'
import { fold, foldedExport, withoutRepeats } from '../support/change-fold.ts'
import { json, run, succeed, withDirectory } from '../support/command.ts'
import { type Server, serve } from '../support/server.ts'
import { ndjson, smallShop } from '../support/shop-files.ts'
import { until } from '../support/wait.ts'

const shop = smallShop({ seed: 11, shoppers: 400 })
const labels = shop.prototypes.map((line) => JSON.parse(line) as { user_id: string; personas: unknown })
/** Personas by version: one set after the other. */
const versions = [[], ['early bird', 'night owl'], ['early bird', 'window shopper', 'collector']]

describe('prototypes imported while serve runs', () => {
  it('are switched to between two events: lookups stay right, and verify is sound', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      const changes = join(dir, 'changes.ndjson')
      const server = await serve(data, { args: ['--changes', changes], env: { KINDRED_BATCH_SIZE: '64' } })
      const sending = send(server)
      const looking = look(server)
      for (const [version, names] of versions.entries()) {
        if (version === 0) continue
        await until('events flow', async () => sending.sent() > version * 1000)
        const imported = await importLabels(dir, data, names)
        assert.deepEqual([imported.version, imported.personas], [version, names.length])
        assert.match(String(imported.applied_by), /kindred serve/)
        const prototype = (await server.lookUp(labels[0]!.user_id)).body as unknown as PersonasAnswer
        assert.deepEqual([prototype.status, prototype.prototype_set_version], ['prototype', version])
        assert.ok(prototype.personas.every(({ persona }) => names.includes(persona)))
      }
      await sending.done
      await until('nothing waits', async () => (await server.get('/readyz')).body.backlog === 0)
      const seen = await looking.stop()
      assert.ok(seen.has(0) && seen.has(2), `versions seen: ${[...seen]}`)
      assert.equal((await server.stop()).code, 0)
      await succeed(['verify', '--data', data])
      const told = withoutRepeats(readFileSync(changes, 'utf8'))
      assert.deepEqual(fold(told), foldedExport(await succeed(['export', 'users', '--data', data])))
      const again = await importLabels(dir, data, versions[2]!)
      assert.equal(again.version, 2, 'the same content again changes nothing')
      assert.equal((await run(['prototypes', 'list', '--data', data])).code, 0)
    }))
})

/** The shop's events in order, a hundred a request. */
function send(server: Server): { sent: () => number; done: Promise<void> } {
  let sent = 0
  const all = async () => {
    for (; sent < shop.events.length; sent += 100) {
      const body = ndjson(shop.events.slice(sent, sent + 100))
      assert.equal((await server.post(body, 'application/x-ndjson')).status, 202)
    }
  }
  return { sent: () => sent, done: all() }
}

/** Looks users up without end; every answer must be whole and of a version no older than the last one seen. */
function look(server: Server): { stop(): Promise<Set<number>> } {
  const seen = new Set<number>()
  let stopped = false
  const all = async () => {
    const newest = new Map<string, number>()
    for (let n = 0; !stopped; n++) {
      const user = (JSON.parse(shop.events[(n * 7) % shop.events.length]!) as { user_id: string }).user_id
      const { status, body } = await server.lookUp(user)
      if (status === 404) continue
      assert.equal(status, 200)
      const answer = body as unknown as PersonasAnswer
      assertWhole(answer)
      assert.ok((newest.get(user) ?? 0) <= answer.version, `sequence of ${user} went back`)
      newest.set(user, answer.version)
      seen.add(answer.prototype_set_version)
    }
  }
  const running = all()
  return {
    async stop() {
      stopped = true
      await running
      return seen
    },
  }
}

function assertWhole({ status, personas, primary, prototype_set_version: version }: PersonasAnswer): void {
  const names = versions[version]!
  for (const { persona, probability } of personas) {
    assert.ok(names.includes(persona), `${persona} is none of version ${version}`)
    assert.ok(probability > 0 && probability <= 1)
  }
  if (status === 'unknown') assert.deepEqual([personas.length, primary], [0, null])
  else if (personas.length > 0) assert.ok(personas.some(({ persona }) => persona === primary))
}

/** Labels of the shop's prototypes with the personas `names` in turn. */
function importLabels(dir: string, data: string, names: readonly string[]): Promise<Record<string, unknown>> {
  const file = join(dir, 'prototypes.ndjson')
  const lines = labels.map(({ user_id }, n) =>
    JSON.stringify({ user_id, personas: [names[n % names.length]] }),
  )
  writeFileSync(file, ndjson(lines))
  return json(['prototypes', 'import', file, '--data', data])
}
