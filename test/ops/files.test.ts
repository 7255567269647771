// The dashboard and the alert rules as Grafana and Prometheus load them. That their metrics exist: test/serve/metrics.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Metrics } from '../../src/metrics/registry.ts'
import { alerts, dashboard, type Panel, queries, recorded, scrapeConfig } from '../support/ops-files.ts'
import { metricsOf } from '../support/promql.ts'

/** Units of Grafana that the dashboard uses, by what the names of metrics end with. */
const units: Readonly<Record<string, readonly string[]>> = {
  _seconds: ['s'],
  _bytes: ['bytes', 'percentunit'],
  _ratio: ['percentunit'],
}

describe('scripts/ops', () => {
  it('has queries that parse, and the parser refuses what is none', () => {
    assert.ok(queries.length > 60)
    for (const { where, expr } of queries) assert.doesNotThrow(() => metricsOf(expr), where)
    for (const broken of [
      'rate(a[5m]',
      'sum by (a b)',
      'a > > 1',
      'rate(a{b=c}[5m])',
      '1 + 1',
      'a{$other="b"}',
    ])
      assert.throws(() => metricsOf(broken), broken)
  })

  it('alerts say what is wrong and what to do, each once, about what they select', () => {
    assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
    for (const { alert, annotations } of alerts) {
      assert.ok(annotations.summary.length <= 120, `${alert}: the summary is a line`)
      assert.match(annotations.description, /[.]$/, alert)
      for (const text of Object.values(annotations))
        assert.equal((text.match(/\{\{/g) ?? []).length, (text.match(/\}\}/g) ?? []).length, alert)
    }
    const needed = [
      'IngestDown',
      'IngestStuck',
      'Behind',
      'KafkaLag',
      'QuarantineGrowing',
      'MapFilling',
      'LookupErrors',
      'LookupSlow',
      'WebhookDeadLetters',
      'WebhookQueueOld',
      'CalibrationOff',
      'StandbyAbsent',
    ]
    for (const name of needed)
      assert.ok(
        alerts.some(({ alert }) => alert === `Kindred${name}`),
        name,
      )
  })

  it('alerts name labels that their query leaves standing', () => {
    for (const { alert, expr, annotations } of alerts) {
      const grouped = /^\s*\w+ by \((?<labels>[^)]*)\)/.exec(expr)?.groups?.labels?.split(/,\s*/)
      if (grouped === undefined) continue
      const used = Object.values(annotations).flatMap((text) =>
        Array.from(text.matchAll(/\$labels\.(\w+)/g), ([, name]) => name!),
      )
      for (const name of used) assert.ok(grouped.includes(name), `${alert} names ${name}`)
    }
  })

  it('the alert of a blocked event loop is far above what a free one shows: what it is late, and the time between looks', async () => {
    const { expr } = alerts.find(({ alert }) => alert === 'KindredEventLoopBlocked')!
    const [, metric, atMost] = /^(nodejs_eventloop_lag)_p99_seconds > ([\d.]+) /.exec(expr)!
    const metrics = new Metrics([]).withProcess()
    let shown = ''
    for (let n = 0; n < 5; n++) {
      await sleep(300)
      shown = new RegExp(`^${metric}_min_seconds (\\S+)$`, 'm').exec(await metrics.text())![1]!
      if (Number(shown) > 0 && Number(shown) <= Number(atMost) / 2) return
    }
    assert.fail(`a loop that is not late shows ${shown} s, the alert is at ${atMost}`)
  })

  it('the scrape configuration loads the rules', () => {
    assert.deepEqual(scrapeConfig.rule_files, ['kindred-alerts.yml'])
    assert.equal(scrapeConfig.scrape_configs[0]!.job_name, 'kindred')
    assert.ok(recorded.length > 0)
  })

  it('panels have ids of their own, lie beside one another within the grid, and have a unit that fits', () => {
    const { panels, templating } = dashboard
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    for (const one of panels) {
      const { x, w } = one.gridPos
      assert.ok(x + w <= 24, one.title)
      for (const other of panels)
        assert.ok(one === other || !overlap(one, other), `${one.title} lies on ${other.title}`)
      if (one.type === 'row') continue
      assert.ok(one.description !== undefined && one.fieldConfig !== undefined, one.title)
      assert.ok(one.targets !== undefined && one.targets.length > 0, one.title)
      assert.equal(new Set(one.targets.map(({ refId }) => refId)).size, one.targets.length, one.title)
      for (const { expr } of one.targets) checkUnit(one, expr)
    }
    const names = templating.list.map(({ name }) => name)
    assert.deepEqual(names, ['datasource', 'job', 'instance'])
  })
})

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}

/** A rate of seconds is a share; otherwise the suffix of a metric says its unit. */
function checkUnit({ title, fieldConfig }: Panel, expr: string): void {
  const { unit } = fieldConfig!.defaults
  if (/rate\(/.test(expr) && !expr.startsWith('histogram_quantile')) return
  for (const { name } of metricsOf(expr)) {
    const base = name.replace(/_bucket$/, '')
    for (const [suffix, fitting] of Object.entries(units))
      if (base.endsWith(suffix)) assert.ok(fitting.includes(unit), `${title}: ${name} in ${unit}`)
  }
}
