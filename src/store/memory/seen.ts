// Dedupe of event ids in memory: each with the position it was last remembered at, the last horizon's alone.
import type { UndoLog } from './undo.ts'

export class SeenIds {
  readonly #positions = new Map<string, number>()
  readonly #undo: UndoLog
  readonly #horizon: number

  constructor(undo: UndoLog, horizon: number) {
    this.#undo = undo
    this.#horizon = horizon
  }

  seen(eventId: string, position: number): boolean {
    const remembered = this.#positions.get(eventId)
    return remembered !== undefined && position - remembered <= this.#horizon
  }

  remember(eventId: string, position: number): void {
    this.#forget(position)
    this.#undo.set(this.#positions, eventId, position)
  }

  /** Drops ids from the front, where the oldest are, up to one that `position` still has within its horizon. */
  #forget(position: number): void {
    for (const [eventId, remembered] of this.#positions) {
      if (position - remembered <= this.#horizon) break
      this.#undo.set(this.#positions, eventId, undefined)
    }
  }
}
