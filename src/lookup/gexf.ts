// GEXF: graphs as Gephi and the like read them.
import type { UndirectedGraph } from 'graphology'
import gexf from 'graphology-gexf'

/** A graph as GEXF text. Its texts must have gone through `xmlText`. */
export function writeGexf(graph: UndirectedGraph): string {
  return gexf.write(graph, { version: '1.3' } as never)
}

/** Text as XML can hold it: what XML 1.0 has no form for is replaced. */
export function xmlText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are the characters that are meant
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
}
