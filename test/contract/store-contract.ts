// The contract that every adapter of the store passes, by part.
import { describe } from 'node:test'
import { dedupeCases } from './store-dedupe.ts'
import { edgeCases } from './store-edges.ts'
import { erasureCases } from './store-erasure.ts'
import type { OpenStore } from './store-fixtures.ts'
import { nodeCases } from './store-nodes.ts'
import { streamCases } from './store-stream.ts'
import { topicCases } from './store-topics.ts'
import { transactionCases } from './store-transactions.ts'
import { versionCases } from './store-versions.ts'

/** `open` gives an empty store with a dedupe horizon of `contractDedupeHorizon`; `of` picks parts, all if it is not given. */
export function describeStoreContract(
  name: string,
  open: OpenStore,
  of: (part: string) => boolean = () => true,
): void {
  const parts = {
    'users and products': nodeCases,
    'edges and slot lists': edgeCases,
    'prototype-set versions': versionCases,
    dedupe: dedupeCases,
    stream: streamCases,
    'topics and sinks': topicCases,
    'quarantine and erasure': erasureCases,
    transactions: transactionCases,
  }
  describe(`store contract: ${name}`, () => {
    for (const [part, cases] of Object.entries(parts)) if (of(part)) describe(part, () => cases(open))
  })
}
