// Configuration: one schema over environment variables KINDRED_*, documented by itself (`kindred config`).
import { z } from 'zod'
import { kafkaSettings } from './config-kafka.ts'
import { labellingSettings } from './config-labelling.ts'
import { webhookSettings } from './config-webhook.ts'
import { leastDelta } from './core/vector.ts'
import { UsageError } from './errors.ts'

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const share = z.coerce.number().min(0).max(1)

/** Settings by name; the environment variable of `walksMax` is KINDRED_WALKS_MAX. */
export const settings = {
  kappa: whole(1, 1_000_000)
    .default(3000)
    .describe('weight of the virtual prior buyer in every product, thousandths *'),
  delta: z.coerce
    .number()
    .min(0)
    .max(0.5)
    .default(0.02)
    .describe(
      `greatest published drift, as a share of rho; at least 2⁻¹⁷ (300 + kappa) / 300, the rounding of published vectors *`,
    ),
  weightsRepeat: z
    .enum(['once', 'sum'])
    .default('once')
    .describe('edge weight: largest live type, or each live type once *'),
  personasHeldMax: whole(1, 16).default(3).describe('rank (k) up to which a persona may enter *'),
  enterFloor: share.default(0.08).describe('least q to enter *'),
  exitMargin: share.default(0.02).describe('how far q must fall below the floor to leave *'),
  landingMassMin: share.default(0.05).describe('landing mass under which a walk has not landed *'),
  walksMax: whole(0, 65_536)
    .default(256)
    .describe('sampled walks of one length for one user; 0 turns them off *'),
  seed: whole(0, 2 ** 32 - 1)
    .default(1)
    .describe('seed of sampled walks *'),
  calibrationMin: whole(0, 1_000_000)
    .default(50)
    .describe('prototypes with purchases from which on probabilities are fitted; 0 answers by q *'),
  enterProbability: share
    .default(0)
    .describe('probability from which a persona is held; 0: what is best on the prototypes *'),
  exitRatio: z.coerce
    .number()
    .min(0.01)
    .max(1)
    .default(0.8)
    .describe('a held persona is left below this share of the probability to enter *'),
  sweepUsers: whole(0, 10_000)
    .default(4)
    .describe('users decided anew with each event after a fit; 0: only when they are touched *'),
  contentHead: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe('read the words of products: where the prototypes say that it helps, or never *'),
  dedupeHorizon: whole(1, 1_000_000_000)
    .default(10_000_000)
    .describe('positions for which an event_id is remembered *'),
  batchSize: whole(1, 100_000).default(1024).describe('records of one transaction at the most'),
  ingestNice: whole(0, 19)
    .default(0)
    .describe('how far the threads that ingest stand back where processors are short (nice); 0: not at all'),
  hotMemoryMb: whole(1, 1_000_000)
    .default(256)
    .describe('memory for hot users and products; beyond it they are read from disk'),
  mapSizeGb: z.coerce
    .number()
    .min(0.01)
    .max(65_536)
    .default(64)
    .describe('address space reserved for the store, GiB (not disk)'),
  logRetention: whole(0, 1_000_000_000)
    .default(100_000)
    .describe('consumed log records kept; unconsumed ones are always kept'),
  logBacklogMax: whole(1, 1_000_000_000)
    .default(1_000_000)
    .describe('unconsumed log records past which events are refused (503)'),
  changesRetention: whole(0, 1_000_000_000)
    .default(1_000_000)
    .describe('delivered change events kept; undelivered ones are always kept'),
  quarantineMax: whole(1, 100_000_000)
    .default(1_000_000)
    .describe('quarantined records past which ingest stops'),
  snapshotSecondsMax: whole(1, 86_400)
    .default(600)
    .describe('seconds that an export or verify may read one snapshot'),
  host: z.string().default('127.0.0.1').describe('address that `serve` listens on'),
  port: whole(0, 65_535).default(7400).describe('port that `serve` listens on; 0 picks a free one'),
  drainSeconds: whole(0, 3600)
    .default(0)
    .describe('seconds after SIGTERM in which `serve` says that it is not ready and still answers'),
  auth: z
    .enum(['auto', 'on', 'off'])
    .default('auto')
    .describe(
      'ask for bearer tokens: auto (always but on loopback as long as there are none), on (always) or off (never; loopback only)',
    ),
  rateLimit: whole(0, 1_000_000)
    .default(0)
    .describe('requests a second that one token may make; 0: as many as come'),
  bodyBytesMax: whole(1024, 1 << 30)
    .default(16 * 1024 * 1024)
    .describe('bytes of one request to POST /v1/events'),
  openrtbMapping: z
    .string()
    .default('')
    .describe('JSON file: segments of OpenRTB taxonomies by persona; without, personas by their names'),
  journalRetention: whole(1, 1_000_000_000)
    .default(1_000_000)
    .describe('ranges of the commit journal kept: which records were applied in which order'),
  relayBacklogMax: whole(1, 1_000_000_000)
    .default(1_000_000)
    .describe('change events that a sink has not taken past which ingest waits for it'),
  ...kafkaSettings,
  ...webhookSettings,
  ...labellingSettings,
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'])
    .default('info')
    .describe('lowest level that is logged'),
} as const

/** Settings that are never shown. */
export const secretSettings: readonly string[] = [
  'kafkaPassword',
  'kafkaRegistryPassword',
  'kafkaOauthSecret',
  'openaiApiKey',
] satisfies readonly (keyof typeof settings)[]

const schema = z.strictObject(settings).superRefine(({ delta, kappa }, context) => {
  const least = leastDelta(kappa)
  if (delta < least)
    context.addIssue({
      code: 'custom',
      path: ['delta'],
      message: `${delta} is less than ${least}, the least that published vectors can keep with ${variableOf('kappa')} of ${kappa}: they are rounded`,
    })
})
export type Config = z.infer<typeof schema>

/** Settings that answers depend on: fixed when a data directory is made (marked * above). */
export const semanticSettings = [
  'kappa',
  'delta',
  'weightsRepeat',
  'personasHeldMax',
  'enterFloor',
  'exitMargin',
  'landingMassMin',
  'walksMax',
  'seed',
  'calibrationMin',
  'enterProbability',
  'exitRatio',
  'sweepUsers',
  'contentHead',
  'dedupeHorizon',
] as const satisfies readonly (keyof Config)[]

/** KINDRED_WALKS_MAX for walksMax. */
export function variableOf(setting: string): string {
  return `KINDRED_${setting.replaceAll(/([A-Z])/g, '_$1').toUpperCase()}`
}

/** Variables beside the settings: where tests find data sets. */
const otherVariables = new Set(['KINDRED_DATA'])

/** The configuration of an environment; `overrides` (flags) win. Throws UsageError naming the variable and the rule. */
export function configFrom(env: NodeJS.ProcessEnv, overrides: Partial<Config> = {}): Config {
  const raw: Record<string, unknown> = {}
  const known = new Map(Object.keys(settings).map((name) => [variableOf(name), name]))
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('KINDRED_') || otherVariables.has(variable)) continue
    const name = known.get(variable)
    if (name === undefined)
      throw new UsageError(`${variable} is not a setting; \`kindred config\` lists them all`)
    if (value !== '') raw[name] = value
  }
  const result = schema.safeParse({ ...raw, ...overrides })
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw new UsageError(`${variableOf(String(issue.path[0] ?? ''))}: ${issue.message}`)
}
