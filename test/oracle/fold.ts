/** Oracle, fold (I6): what a reader of the change events alone ends up with. */
import type { OracleRecord, OracleStatus } from './model.ts'
import type { OracleChange } from './stream.ts'

export interface OracleFold {
  readonly status: OracleStatus
  readonly sequence: number
  readonly held: ReadonlySet<string>
  readonly primary: string | null
}

/** user → answer. A user without an entry is unknown, holds nothing and has sequence 0. */
export function foldChanges(options: {
  readonly records: readonly OracleRecord[]
  readonly changes: readonly OracleChange[]
}): Map<string, OracleFold> {
  const byPosition = new Map<number, OracleChange[]>()
  for (const change of options.changes) {
    byPosition.set(change.position, [...(byPosition.get(change.position) ?? []), change])
  }
  const folds = new Map<string, OracleFold>()
  options.records.forEach((record, position) => {
    if (record.kind === 'erase') folds.delete(record.user_id)
    for (const change of byPosition.get(position) ?? []) fold(folds, change)
  })
  return folds
}

function fold(folds: Map<string, OracleFold>, change: OracleChange): void {
  const last = folds.get(change.user_id) ?? { sequence: 0, held: new Set<string>(), primary: null }
  if (change.sequence !== last.sequence + 1) throw new Error('oracle: a hole in the sequence')
  if (change.previous_primary !== last.primary) throw new Error('oracle: wrong previous primary')
  const held = new Set(last.held)
  for (const name of change.exited) {
    if (!held.delete(name)) throw new Error(`oracle: ${name} exited without being held`)
  }
  for (const name of change.entered) {
    if (held.has(name)) throw new Error(`oracle: ${name} entered twice`)
    held.add(name)
  }
  const { status, sequence, primary } = change
  folds.set(change.user_id, { status, sequence, held, primary })
}
