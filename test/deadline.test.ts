// Deadlines: they come in time, with the caller's signal or without, and leave nothing behind.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deadlineIn } from '../src/deadline.ts'

describe('a deadline', () => {
  it('comes when its time is up, and says so', async () => {
    using deadline = deadlineIn(20, new AbortController().signal)
    const waiting = sleep(10_000, undefined, { signal: deadline.signal })
    await assert.rejects(waiting, { name: 'AbortError' })
    assert.equal(deadline.passed, true)
    assert.equal((deadline.signal.reason as Error).name, 'TimeoutError')
  })

  it('comes with the signal of its caller, for that signal’s reason', async () => {
    const caller = new AbortController()
    using deadline = deadlineIn(5, caller.signal)
    caller.abort('enough')
    assert.deepEqual([deadline.signal.aborted, deadline.signal.reason], [true, 'enough'])
    await sleep(30)
    assert.equal(deadline.passed, false, 'it was given up before')
    using late = deadlineIn(10_000, caller.signal)
    assert.equal(late.signal.reason, 'enough')
  })

  it('that is over never comes, and leaves nothing with its caller', async () => {
    const caller = new AbortController()
    const { signal } = caller
    const ended = [deadlineIn(5, signal), deadlineIn(10_000, signal)]
    assert.equal(getEventListeners(signal, 'abort').length, 2)
    for (const one of ended) one[Symbol.dispose]()
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    await sleep(30)
    caller.abort()
    assert.ok(ended.every((one) => !one.signal.aborted && !one.passed))
  })
})
