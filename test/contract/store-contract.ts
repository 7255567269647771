// The contract that every adapter of the store passes, by part.
import { describe } from 'node:test'
import { dedupeCases } from './store-dedupe.ts'
import { edgeCases } from './store-edges.ts'
import { erasureCases } from './store-erasure.ts'
import type { OpenStore } from './store-fixtures.ts'
import { nodeCases } from './store-nodes.ts'
import { streamCases } from './store-stream.ts'
import { transactionCases } from './store-transactions.ts'
import { versionCases } from './store-versions.ts'

/** `open` gives an empty store with a dedupe horizon of `contractDedupeHorizon`. */
export function describeStoreContract(name: string, open: OpenStore): void {
  describe(`store contract: ${name}`, () => {
    describe('users and products', () => nodeCases(open))
    describe('edges and slot lists', () => edgeCases(open))
    describe('prototype-set versions', () => versionCases(open))
    describe('dedupe', () => dedupeCases(open))
    describe('stream', () => streamCases(open))
    describe('quarantine and erasure', () => erasureCases(open))
    describe('transactions', () => transactionCases(open))
  })
}
