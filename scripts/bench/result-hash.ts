// What a run of the pipeline gave, as one hash.
import type { StoreReader } from '../../src/store/port.ts'
import { hashOfLines } from './shared.ts'

/** Every user's final state and every change event, as one hash. */
export function resultHash(store: StoreReader): string {
  return hashOfLines([...usersOf(store), ...changesOf(store)])
}

function* usersOf(store: StoreReader): Generator<string> {
  for (const user of store.users()) {
    const { position: _, scores, ...row } = store.user(user)! // the position of writing is no state of the user
    yield JSON.stringify({ ...row, scores: [...scores] })
  }
}

function* changesOf(store: StoreReader): Generator<string> {
  for (let from = 0; ; ) {
    const rows = store.changes(from, 4096)
    if (rows.length === 0) return
    for (const { json } of rows) yield json
    from = rows[rows.length - 1]!.number + 1
  }
}
