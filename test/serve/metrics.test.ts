// /metrics of real processes, by role: what happened is what is counted, and every metric that scripts/ops names is there.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { withDirectory } from '../support/command.ts'
import { queries, recorded } from '../support/ops-files.ts'
import { familyOf, parseMetrics, type Scraped } from '../support/prometheus-text.ts'
import { metricsOf } from '../support/promql.ts'
import { type Server, serve } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { startReceiver } from '../support/webhook-receiver.ts'
import { changesIn, hookEnv, labelShop, purchasesOf, subscribe } from '../support/webhook-shop.ts'

async function scrape({ url }: Pick<Server, 'url'>): Promise<Scraped> {
  const response = await fetch(`${url}/metrics`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  return parseMetrics(await response.text())
}

describe('/metrics of a real serve', () => {
  it('counts what happened, has every metric that scripts/ops names, and nothing of ingest where none runs', () =>
    withDirectory(async (dir) => {
      const data = join(dir, 'data')
      await labelShop(dir, data)
      await using receiver = await startReceiver((_received, n) => ({ status: n === 0 ? 500 : 204 }))
      const server = await serve(data, { env: hookEnv, args: ['--changes', join(dir, 'changes.ndjson')] })
      const lookup = await serve(data, { args: ['--role', 'lookup'] })
      const { id } = await subscribe(server, { url: receiver.url })
      const events = purchasesOf(['ann', 'bea'])
      await server.post([...events, ...events])
      const changes = async () =>
        (await changesIn(data, '')).filter(({ user_id }) => !user_id.startsWith('a '))
      const attempted = { outcome: 'delivered' }
      const now = await until('all is applied, delivered and told', async () => {
        const scraped = await scrape(server)
        const applied = scraped.value('kindred_ingest_records_total', { outcome: 'applied' })
        const delivered = scraped.value('kindred_webhook_attempts_total', attempted) ?? 0
        return applied === events.length && delivered >= (await changes()).length && scraped
      })
      checkIngest(now, { applied: events.length, duplicates: events.length })
      assert.equal(now.value('kindred_changes_total'), (await changes()).length)
      checkDirections(now, await changes())
      assert.equal(now.value('kindred_webhook_attempts_total', { outcome: 'refused' }), 1)
      assert.equal(now.value('kindred_webhook_delivered_total', { webhook: id }), (await changes()).length)
      assert.equal(now.value('kindred_webhook_active', { webhook: id }), 1)
      assert.equal(now.value('kindred_webhook_queue_deliveries', { webhook: id }), 0)
      checkNames(now)
      await checkLookups(server)
      await checkLookupRole(lookup)
      for (const one of [lookup, server]) assert.equal((await one.stop()).code, 0)
    }))

  it('tells a standby from the process that ingests', () =>
    withDirectory(async (dir) => {
      const first = await serve(dir)
      const second = await serve(dir, { args: ['--standby', '--role', 'ingest'] })
      const states = async () =>
        Promise.all(
          [first, second].map(async (server) => {
            const scraped = await scrape(server)
            return [scraped.value('kindred_ingest_up'), scraped.value('kindred_ingest_standby')]
          }),
        )
      assert.deepEqual(await states(), [
        [1, 0],
        [0, 1],
      ])
      assert.equal((await scrape(second)).value('kindred_changes_total'), undefined, 'it has nothing to tell')
      await first.kill()
      await until('it took over', async () => (await scrape(second)).value('kindred_ingest_up') === 1)
      assert.equal((await scrape(second)).value('kindred_ingest_standby'), 0)
      await second.stop()
    }))
})

function checkIngest(now: Scraped, { applied, duplicates }: { applied: number; duplicates: number }): void {
  const records = (outcome: string) => now.value('kindred_ingest_records_total', { outcome })
  assert.equal(records('applied'), applied)
  assert.equal(records('duplicate'), duplicates)
  assert.equal(records('quarantined'), 0)
  const batches = now.value('kindred_batch_apply_seconds_count') ?? 0
  assert.ok(batches >= 1)
  assert.equal(now.value('kindred_batch_commit_seconds_bucket', { le: '+Inf' }), batches)
  assert.equal(now.value('kindred_batch_rewalked_users_sum'), now.value('kindred_rewalks_total'))
  assert.ok((now.value('kindred_rewalks_total') ?? 0) >= applied, 'each purchase walks its buyer')
  assert.equal(now.value('kindred_ingest_up'), 1)
  assert.equal(now.value('kindred_log_backlog_records'), 0)
  assert.equal(now.value('kindred_users'), 4)
  for (const store of ['state', 'log', 'webhooks'])
    assert.ok((now.value('kindred_store_map_used_bytes', { store }) ?? 0) > 4096, store)
  assert.ok((now.value('kindred_hot_rows', { of: 'users' }) ?? 0) >= 2)
  assert.ok(
    now.samples.some(
      ({ name, labels }) => name === 'kindred_sink_backlog_rows' && labels.sink === 'webhooks',
    ),
  )
}

/** Sums over the change events themselves. */
function checkDirections(now: Scraped, changes: Awaited<ReturnType<typeof changesIn>>): void {
  const direction = (name: string) => now.value('kindred_persona_changes_total', { direction: name })
  assert.ok(changes.length > 0)
  assert.equal(
    direction('entered'),
    changes.reduce((sum, { entered }) => sum + entered.length, 0),
  )
  assert.equal(
    direction('exited'),
    changes.reduce((sum, { exited }) => sum + exited.length, 0),
  )
  assert.equal(direction('primary'), changes.filter((one) => one.primary !== one.previous_primary).length)
}

/** Names in queries are series of families that the process has, and labels in them those of its samples. */
function checkNames({ types, samples }: Scraped): void {
  const records = new Set(recorded.map(({ record }) => record))
  for (const { where, expr } of queries)
    for (const { name, labels } of metricsOf(expr)) {
      if (records.has(name)) continue
      assert.ok(familyOf(name, types) !== undefined, `${where}: there is no ${name}`)
      const sample = samples.find((one) => one.name === name)
      for (const label of labels.filter((one) => one !== 'job' && one !== 'instance'))
        assert.ok(sample === undefined || label in sample.labels, `${where}: ${name} has no label ${label}`)
    }
}

async function checkLookups(server: Server): Promise<void> {
  await server.lookUp('ann')
  await server.lookUp('ann')
  await server.lookUp('nobody')
  await fetch(`${server.url}/no/such/route`)
  const series = 'kindred_http_request_duration_seconds_count'
  const route = { method: 'GET', route: '/v1/users/:id/personas' }
  const now = await scrape(server)
  assert.equal(now.value(series, { ...route, code: '200' }), 2)
  assert.equal(now.value(series, { ...route, code: '404' }), 1)
  assert.equal(now.value(series, { route: 'none', code: '404' }), 1)
  assert.equal(now.value('kindred_http_requests_in_flight'), 1, 'the scrape itself')
}

async function checkLookupRole(lookup: Server): Promise<void> {
  const now = await scrape(lookup)
  const { role } = now.samples.find(({ name }) => name === 'kindred_build_info')!.labels
  assert.equal(role, 'lookup')
  const ofIngest = /^kindred_(ingest|batch|changes|persona|sink|kafka|webhook|truth|hot|rewalks|publi|sweep)/
  for (const name of now.types.keys())
    assert.doesNotMatch(name.replace('_change_streams', ''), ofIngest, 'absent, not zero')
  assert.equal(now.value('kindred_users'), 4)
  assert.equal(now.value('kindred_behind_seconds'), 0)
}
