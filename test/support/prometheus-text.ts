// Prometheus' text format, read strictly: families with their types, and samples that belong to one.

export type Scraped = {
  readonly types: ReadonlyMap<string, string>
  readonly samples: readonly {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }[]
  /** The value of the one sample of this name whose labels are these, among others; undefined for none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

const sampleForm =
  /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (?<value>\S+)$/
const suffixes: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
}

/** Throws for what is not in the format: a line of no form, a sample without a family, a family or a sample twice. */
export function parseMetrics(text: string): Scraped {
  const types = new Map<string, string>()
  const helped = new Set<string>()
  const samples: Scraped['samples'][number][] = []
  const seen = new Set<string>()
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') {
      if (helped.has(name)) throw new Error(`${name} is explained twice`)
      helped.add(name)
    } else if (kind === 'TYPE') {
      if (types.has(name)) throw new Error(`${name} is there twice`)
      types.set(name, rest)
    } else {
      const { groups } = sampleForm.exec(line) ?? {}
      if (groups === undefined) throw new Error(`not a sample: ${line}`)
      const key = `${groups.name}{${groups.labels ?? ''}}`
      if (seen.has(key)) throw new Error(`${key} is there twice`)
      seen.add(key)
      if (familyOf(groups.name!, types) === undefined) throw new Error(`${groups.name} is of no family`)
      samples.push({
        name: groups.name!,
        labels: labelsOf(groups.labels ?? ''),
        value: numberOf(groups.value!),
      })
    }
  }
  for (const name of types.keys()) if (!helped.has(name)) throw new Error(`${name} is not explained`)
  return {
    types,
    samples,
    value(name, labels = {}) {
      const found = samples.filter(
        (one) =>
          one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
      )
      if (found.length > 1)
        throw new Error(`${name} has ${found.length} samples of ${JSON.stringify(labels)}`)
      return found[0]?.value
    },
  }
}

/** The family that a sample or series of this name belongs to. */
export function familyOf(name: string, types: ReadonlyMap<string, string>): string | undefined {
  for (const [family, type] of types)
    if ((suffixes[type] ?? ['']).some((suffix) => family + suffix === name)) return family
  return undefined
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(text.matchAll(/(?<label>[a-zA-Z_]\w*)="(?<value>(?:[^"\\]|\\.)*)"/g), ({ groups }) => [
      groups!.label!,
      groups!.value!.replace(/\\(.)/g, (_all, one: string) => (one === 'n' ? '\n' : one)),
    ]),
  )
}

function numberOf(text: string): number {
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text)
  // Prometheus reads numbers as Go does, whatever their case
  if (Number.isNaN(value) && !/^nan$/i.test(text)) throw new Error(`${text} is no number`)
  return value
}
