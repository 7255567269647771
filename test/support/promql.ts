// PromQL by the grammar of Prometheus' own editor: whether a query parses, and the metrics that it reads.
import { parser } from '@prometheus-io/lezer-promql'

/** What Grafana puts in place of its variables before a query is sent. */
const variables: Readonly<Record<string, string>> = {
  $__rate_interval: '1m',
  $job: '.*',
  $instance: '.*',
}

/** Names of the metrics that a query selects, with the labels it asks for. Throws where it does not parse. */
export function metricsOf(query: string): { readonly name: string; readonly labels: readonly string[] }[] {
  const text = query.replace(/\$\w+/g, (variable) => {
    const value = variables[variable]
    if (value === undefined) throw new Error(`${query} uses ${variable}, which the dashboard does not have`)
    return value
  })
  const found: { name: string; labels: string[] }[] = []
  parser.parse(text).iterate({
    enter({ type, from, to, node }) {
      if (type.isError) throw new Error(`not PromQL at ${from}: ${text.slice(from, to + 20)} in ${text}`)
      if (type.name !== 'VectorSelector') return
      const identifier = node.getChild('Identifier')
      if (identifier === null) throw new Error(`a selector without a name in ${text}`)
      const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []
      const labels = matchers.map((matcher) => {
        const name = matcher.getChild('LabelName')!
        return text.slice(name.from, name.to)
      })
      found.push({ name: text.slice(identifier.from, identifier.to), labels })
    },
  })
  if (found.length === 0) throw new Error(`${text} reads no metric`)
  return found
}
