// A minute of the soak (`npm run soak` is ten): two processes look up while the one that ingests is killed every 15 s. And
// that what would be wrong is found.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { History } from '../../scripts/soak/history.ts'
import type { SoakResult } from '../../scripts/soak/soak.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'
import type { PersonasAnswer } from '../../src/lookup/answer.ts'

const script = join(import.meta.dirname, '..', '..', 'scripts', 'soak', 'main.js')

describe('lookups from processes of their own', () => {
  it('are never wrong, torn, older than before or refused while ingest is killed every 15 s', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--seconds', '60', '--json'])
    const result = JSON.parse(stdout) as SoakResult
    assert.deepEqual([result.wrong, result.failed, result.problems], [0, 0, []])
    assert.equal(result.kills, 3)
    assert.ok(result.events > 1000 && result.erasures > 5, stdout)
    assert.ok(result.changes > 500 && result.states_compared > 500 && result.lookups > 1000, stdout)
  })
})

describe('the history of the soak', () => {
  const change = (sequence: number, persona: string | null) =>
    ({ user_id: 'u', sequence, ...stateOf(persona) }) as unknown as ChangeEvent
  const answer = (version: number, persona: string | null, user_id = 'u') =>
    ({ user_id, version, landing_mass: 0.5, ...stateOf(persona) }) as unknown as PersonasAnswer

  it('takes what the changes say', () => {
    const history = new History()
    history.note(answer(0, null), undefined)
    history.note(answer(1, 'A'), history.newest('u'))
    history.note(answer(2, 'B'), history.newest('u'))
    assert.equal(history.judge([change(1, 'A'), change(2, 'B')]), 3)
    assert.deepEqual(history.problems, [])
  })

  it('blames a state of another version, one of no version, and one that is older than before', () => {
    const blamed = (work: (history: History) => void) => {
      const history = new History()
      work(history)
      history.judge([change(1, 'A'), change(2, 'B')])
      return history.wrong
    }
    assert.equal(
      blamed((history) => history.note(answer(1, 'B'), undefined)),
      1,
    )
    assert.equal(
      blamed((history) => history.note(answer(3, 'B'), undefined)),
      1,
    )
    assert.equal(
      blamed((history) => history.note(answer(1, 'A'), 2)),
      1,
    )
    assert.equal(
      blamed((history) => history.note(answer(1, 'A', 'another'), undefined)),
      1,
    )
    assert.equal(
      blamed((history) => history.note({ ...answer(1, 'A'), primary: 'B' }, undefined)),
      2, // torn, and not what the change says
    )
  })
})

function stateOf(persona: string | null) {
  return persona === null
    ? { status: 'unknown', personas: [], primary: null }
    : { status: 'inferred', personas: [{ persona, probability: 0.5 }], primary: persona }
}
