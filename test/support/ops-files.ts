// What stands in scripts/ops: the dashboard and the alert rules, and the queries in them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

const ops = join(import.meta.dirname, '..', '..', '..', 'scripts', 'ops')

const duration = z.string().regex(/^\d+(ms|[smhdwy])$/)
const text = z.string().min(1)
const recording = z.strictObject({ record: z.string().regex(/^[a-z_]+:[a-z_]+:[a-z\d_]+$/), expr: text })
const alert = z.strictObject({
  alert: z.string().regex(/^Kindred[A-Z]\w+$/),
  expr: text,
  for: duration.optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
  annotations: z.strictObject({ summary: text, description: text }),
})
const rulesFile = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: text,
      interval: duration.optional(),
      rules: z.array(z.union([recording, alert])).min(1),
    }),
  ),
})
const grid = z.strictObject({
  h: z.number().int().min(1),
  w: z.number().int().min(1).max(24),
  x: z.number().int().min(0).max(23),
  y: z.number().int().min(0),
})
const source = z.strictObject({ type: z.literal('prometheus'), uid: z.string().regex(/^\$\{datasource\}$/) })
const panel = z.looseObject({
  id: z.number().int().min(1),
  type: z.enum(['row', 'stat', 'timeseries']),
  title: text,
  description: text.optional(),
  gridPos: grid,
  datasource: source.optional(),
  fieldConfig: z.looseObject({ defaults: z.looseObject({ unit: text }) }).optional(),
  targets: z.array(z.looseObject({ refId: text, expr: text, datasource: source })).optional(),
})
const dashboardFile = z.looseObject({
  uid: text,
  title: text,
  schemaVersion: z.number().int().min(36),
  templating: z.object({
    list: z.array(z.looseObject({ name: text, type: text, definition: text.optional() })),
  }),
  panels: z.array(panel).min(1),
})

export type Panel = z.infer<typeof panel>
export type Alert = z.infer<typeof alert>

export const dashboard = dashboardFile.parse(read('kindred-dashboard.json', JSON.parse))
export const rules = rulesFile.parse(read('kindred-alerts.yml', (file) => parse(file, { strict: true })))
export const scrapeConfig = read('prometheus.yml', (file) => parse(file, { strict: true })) as {
  rule_files: string[]
  scrape_configs: { job_name: string }[]
}

export const alerts = rules.groups.flatMap(({ rules: list }) => list.filter((rule) => 'alert' in rule))
export const recorded = rules.groups.flatMap(({ rules: list }) => list.filter((rule) => 'record' in rule))

/** Every query with where it stands. */
export const queries: readonly { readonly where: string; readonly expr: string }[] = [
  ...alerts.map(({ alert: name, expr }) => ({ where: name, expr })),
  ...recorded.map(({ record, expr }) => ({ where: record, expr })),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: `panel ${title}`, expr })),
  ),
]

function read<T>(file: string, parser: (text: string) => T): T {
  return parser(readFileSync(join(ops, file), 'utf8'))
}
