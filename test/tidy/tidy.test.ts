// Style that a machine can hold: the dependency rule, pure core, sizes, and what never stands in the code.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'

const root = join(import.meta.dirname, '..', '..', '..')

type Source = { readonly path: string; readonly text: string }

function sources(dir: string): Source[] {
  return readdirSync(join(root, dir), { recursive: true })
    .map((file) => join(dir, String(file)).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

function importsOf({ path, text }: Source): string[] {
  return [...text.matchAll(/(?:from|import) '(?<target>[^']+)'/g)].map(({ groups }) => {
    const target = groups!.target!
    return target.startsWith('.')
      ? relative(root, join(root, dirname(path), target)).replaceAll('\\', '/')
      : target
  })
}

/** The room that a file of src/ stands in; files directly below src/ are rooms of their own. */
function roomOf(path: string): string {
  const [, first = '', second] = path.split('/')
  return second === undefined ? first.replace(/\.ts$/, '') : first
}

/**
 * Which rooms each room may import from, beside itself. Ports (port.ts) of source, store and sink may be imported by all
 * that lie outside core and codec; adapters only by the composition roots.
 */
const allowed: Record<string, readonly string[]> = {
  core: [],
  errors: [],
  deadline: [],
  config: ['core', 'errors', 'config-kafka', 'config-labelling', 'config-webhook'],
  'config-kafka': [],
  'config-labelling': [],
  'config-webhook': [],
  'value-codec': ['codec', 'config', 'errors', 'kafka'],
  codec: ['core', 'errors'],
  lmdb: ['errors'],
  metrics: [],
  tracing: [],
  version: [],
  demo: [],
  pipeline: ['core', 'codec', 'errors', 'metrics', 'tracing'],
  store: ['core', 'errors', 'lmdb'],
  source: ['core', 'codec', 'errors', 'lmdb', 'kafka', 'metrics'],
  sink: ['core', 'codec', 'deadline', 'errors', 'kafka', 'lmdb', 'metrics', 'tracing'],
  kafka: ['deadline', 'errors'],
  lookup: ['core', 'errors'],
  labelling: ['core', 'codec', 'errors'],
  evaluation: ['core', 'errors', 'pipeline'],
  http: ['core', 'codec', 'errors', 'lookup', 'metrics', 'tracing'],
  profiler: [
    'codec',
    'config',
    'core',
    'errors',
    'pipeline',
    'source',
    'store',
    'lmdb',
    'value-codec',
    'profiler-kafka',
  ],
  'kafka-sinks': ['codec', 'config', 'errors', 'kafka', 'sink', 'value-codec'],
  'kafka-sink-thread': ['config', 'core', 'errors', 'kafka', 'kafka-sinks'],
  'kafka-sink-client': ['core', 'errors', 'kafka', 'kafka-sink-thread', 'kafka-sinks'],
  'profiler-kafka': [
    'kafka-sink-client',
    'kafka-sinks',
    'codec',
    'config',
    'errors',
    'kafka',
    'sink',
    'source',
    'store',
    'value-codec',
  ],
  requeue: ['config', 'core', 'store', 'value-codec'],
  'labelling-lock': ['errors', 'labelling', 'store'],
  controls: ['config', 'core', 'errors', 'http', 'labelling', 'labelling-lock', 'requeue', 'source', 'store'],
  'serve-reads': ['config', 'http', 'lookup', 'store'],
  webhooks: ['config', 'sink'],
  'webhook-thread': ['config', 'core', 'errors', 'sink', 'webhooks', 'metrics', 'tracing'],
  'webhook-client': ['codec', 'config', 'core', 'errors', 'sink', 'webhook-thread', 'webhooks', 'metrics'],
  'give-way': [],
  'ingest-worker': [
    'config',
    'core',
    'deadline',
    'errors',
    'give-way',
    'kafka',
    'profiler',
    'profiler-kafka',
    'sink',
    'store',
    'webhook-client',
    'ingest-metrics',
    'metrics',
    'tracing',
  ],
  'ingest-status': [],
  'ingest-metrics': ['evaluation', 'metrics', 'profiler', 'webhook-client'],
  'serve-metrics': ['config', 'metrics', 'store', 'version'],
  'ingest-thread': ['core', 'errors', 'ingest-worker', 'metrics'],
  'serve-settings': ['errors', 'http', 'profiler'],
  server: [
    'controls',
    'errors',
    'http',
    'ingest-status',
    'ingest-thread',
    'ingest-worker',
    'store',
    'lookup',
    'profiler',
    'serve-reads',
    'serve-settings',
    'source',
    'webhooks',
    'serve-metrics',
    'tracing',
  ],
  cli: [
    'config',
    'evaluation',
    'pipeline',
    'core',
    'codec',
    'errors',
    'give-way',
    'http',
    'demo',
    'kafka',
    'labelling',
    'labelling-lock',
    'lookup',
    'profiler',
    'profiler-kafka',
    'requeue',
    'value-codec',
    'server',
    'sink',
    'source',
    'store',
    'webhooks',
    'version',
  ],
}
const ports = new Set(['src/source/port.ts', 'src/store/port.ts', 'src/sink/port.ts'])
/** HTTP speaks of what it hands to the log, by type alone. */
const typesOnly = new Set(['src/source/log-appender.ts', 'src/source/log-block.ts'])

const src = sources('src')
const all = [...src, ...sources('test'), ...sources('scripts')]

describe('tidy', () => {
  it('data flows one way: rooms import only what the dependency rule lets them', () => {
    for (const source of src) {
      const room = roomOf(source.path)
      const may = allowed[room]
      assert.ok(may !== undefined, `${source.path} stands in a room that the rule does not know`)
      for (const target of importsOf(source)) {
        if (!target.startsWith('src/')) continue
        const other = roomOf(target)
        const viaPort = ports.has(target) && room !== 'core' && room !== 'codec'
        const viaType = room === 'http' && typesOnly.has(target)
        assert.ok(
          other === room || may.includes(other) || viaPort || viaType,
          `${source.path} must not import ${target}`,
        )
      }
    }
  })

  it('core is pure: no package, clock, randomness, waiting or output', () => {
    for (const source of src.filter(({ path }) => path.startsWith('src/core/'))) {
      for (const target of importsOf(source))
        assert.ok(target.startsWith('src/core/'), `${source.path} imports ${target}`)
      assert.doesNotMatch(
        source.text,
        /\bawait\b|\basync\b|Math\.random|Date\.now|new Date\(\)|performance\.|console\./,
        source.path,
      )
    }
  })

  it('randomness is seeded everywhere in src/, and the process ends only in cli/', () => {
    for (const { path, text } of src) {
      assert.doesNotMatch(text, /Math\.random/, path)
      if (!path.startsWith('src/cli/')) assert.doesNotMatch(text, /process\.exit\(/, path)
    }
  })

  it('files open with what they do, stay within 420 lines, and export by name', () => {
    for (const { path, text } of all) {
      assert.match(text, /^(#!.*\n)?(\/\/|\/\*\*|declare module)/, `${path} does not open with what it does`)
      assert.ok(text.split('\n').length <= 420, `${path} has ${text.split('\n').length} lines`)
      assert.doesNotMatch(text, /^export default|^export \* from/m, path)
    }
  })

  it('kafkajs is loaded where it is mended, and nowhere else', () => {
    for (const { path, text } of all)
      if (path !== 'src/kafka/kafkajs.ts')
        assert.doesNotMatch(text, /^import (?!type )[^\n]*from 'kafkajs'/m, path)
  })

  it('Prometheus and OpenTelemetry are spoken in one place each', () => {
    for (const { path, text } of src)
      if (path !== 'src/metrics/registry.ts') assert.doesNotMatch(text, /from 'prom-client'/, path)
    for (const { path, text } of src)
      if (!path.startsWith('src/tracing/')) assert.doesNotMatch(text, /from '@opentelemetry/, path)
  })

  it('LMDB is opened and committed to in turn', () => {
    for (const { path, text } of all)
      if (path.startsWith('src/') && !path.startsWith('src/lmdb/')) {
        assert.doesNotMatch(text, /^import (?!type )[^\n]*from 'lmdb'/m, path)
        assert.doesNotMatch(text, /transactionSync/, path)
      }
  })

  it('deadlines are held until they are over: what Node holds weakly may be collected before its time', () => {
    for (const { path, text } of src) assert.doesNotMatch(text, /AbortSignal\.timeout\(/, path)
  })

  it('signals are combined once a session, and not in loops: one that lives on keeps something of each', () => {
    for (const { path, text } of src)
      assert.ok(
        text.split('AbortSignal.any(').length - 1 <= (path === 'src/source/kafka-source.ts' ? 1 : 0),
        path,
      )
  })

  it('nothing is skipped, focused or left for later', () => {
    const marks = new RegExp(
      [`T${'ODO'}`, `F${'IXME'}`, `@ts-${'ignore'}`, `as ${'any'}\\b`, `\\.${'only'}\\(`].join('|'),
    )
    for (const { path, text } of all) assert.doesNotMatch(text, marks, path)
  })
})
