// What a reader of change events alone knows (I6): repeats dropped by event_id, sequences without a gap, folded a user.
import assert from 'node:assert/strict'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import { parseLines } from './command.ts'

export type Folded = {
  readonly status: string
  readonly version: number
  readonly personas: readonly string[]
  readonly primary: string | null
}

/** The lines of a change file as they were first written: what came again must be the same. */
export function withoutRepeats(text: string): string[] {
  const first = new Map<string, string>()
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const { event_id: id } = JSON.parse(line) as ChangeEvent
    assert.equal(first.get(id) ?? line, line, `${id} came again, and differs`)
    if (!first.has(id)) first.set(id, line)
  }
  return [...first.values()]
}

/** user → answer. Asserts that each user's sequences are 1, 2, 3 …, in this order, and that each change fits the one before. */
export function fold(lines: readonly string[]): Map<string, Folded> {
  const folded = new Map<string, Folded>()
  for (const change of parseLines<ChangeEvent>(lines.join('\n'))) {
    const { user_id: user, sequence, status, entered, exited, primary } = change
    const before = folded.get(user) ?? { status: 'unknown', version: 0, personas: [], primary: null }
    assert.equal(sequence, before.version + 1, `sequence of ${user}`)
    assert.equal(change.previous_primary, before.primary, `previous primary of ${user} at ${sequence}`)
    const personas = new Set(before.personas)
    for (const { persona } of exited) assert.ok(personas.delete(persona), `${user} exits ${persona} unheld`)
    for (const { persona } of entered)
      assert.ok(!personas.has(persona) && personas.add(persona), `${user} enters ${persona} twice`)
    assert.deepEqual(change.personas.map(({ persona }) => persona).sort(), [...personas].sort())
    folded.set(user, { status, version: sequence, personas: [...personas].sort(), primary })
  }
  return folded
}

/** The answers of `export users` that changes can tell of: users of which none ever changed are left out. */
export function foldedExport(lines: string): Map<string, Folded> {
  type Line = Omit<Folded, 'personas'> & { user_id: string; personas: { persona: string }[] }
  return new Map(
    parseLines<Line>(lines)
      .filter(({ version }) => version > 0)
      .map(({ user_id, status, version, personas, primary }) => [
        user_id,
        { status, version, personas: personas.map(({ persona }) => persona).sort(), primary },
      ]),
  )
}
