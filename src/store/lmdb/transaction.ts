// What the parts of the LMDB store share while a transaction runs, and forget when it is undone.
import type { ProductIndex, UserIndex } from '../../core/ids.ts'
import { type Counters, emptyCounters } from '../port.ts'

/** External ids remembered with their index between transactions. */
export const idCacheMax = 200_000

export type TransactionState = {
  writing: boolean
  /** The counters, as the running transaction leaves them. */
  count: Counters
  readonly userIds: Map<string, UserIndex>
  readonly productIds: Map<string, ProductIndex>
  /** Hashes of erased users, read once a transaction. */
  erased: Set<string> | undefined
}

export function newTransactionState(): TransactionState {
  return {
    writing: false,
    count: emptyCounters(),
    userIds: new Map(),
    productIds: new Map(),
    erased: undefined,
  }
}
