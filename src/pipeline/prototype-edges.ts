// How much evidence there is to fit probabilities to: prototypes with a live edge, and how many such edges they have.
import type { UserIndex } from '../core/ids.ts'
import type { StoreReader } from '../store/port.ts'

export type PrototypeEdges = { prototypes: number; edges: number }

export function countPrototypeEdges(store: StoreReader, users: Iterable<UserIndex>): PrototypeEdges {
  const counted = { prototypes: 0, edges: 0 }
  for (const user of users) {
    const degree = store.userDegree(user)
    counted.edges += degree
    if (degree > 0) counted.prototypes++
  }
  return counted
}

/** A prototype's list grew or shrank by `change` edges (by one at a time, or to nothing) to `degree` of them. */
export function followDegree(
  counted: PrototypeEdges,
  { change, degree }: { change: number; degree: number },
): void {
  counted.edges += change
  if (change > 0 && degree === change) counted.prototypes++
  if (change < 0 && degree === 0) counted.prototypes--
}
