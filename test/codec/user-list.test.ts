// Lists of users to be labelled: each once, held out or not; what is wrong is told with its line.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseUserList } from '../../src/codec/user-list.ts'
import { UsageError } from '../../src/errors.ts'

describe('a list of users', () => {
  it('is read with further fields, empty lines and a byte order mark', () => {
    const text =
      '\ufeff{"user_id":"a","strategy":"du"}\r\n\n{"user_id":"家","held_out":true}\n{"user_id":"c","held_out":false}'
    assert.deepEqual(parseUserList(text, 'f'), [
      { userId: 'a', heldOut: false },
      { userId: '家', heldOut: true },
      { userId: 'c', heldOut: false },
    ])
    assert.deepEqual(parseUserList('', 'f'), [])
  })

  for (const [line, says] of [
    ['a', /^f, line 2: .*; a line is \{"user_id"/],
    ['null', /line 2: user_id is missing/],
    ['{"user_id":7}', /line 2: user_id must be a string/],
    ['{"user_id":"b","held_out":1}', /line 2: held_out is not true or false/],
    ['{"user_id":"first"}', /line 2: user "first" is listed twice/],
  ] as const)
    it(`refuses ${line}`, () =>
      assert.throws(
        () => parseUserList(`{"user_id":"first"}\n${line}\n`, 'f'),
        (error) => error instanceof UsageError && says.test(error.message),
      ))
})
