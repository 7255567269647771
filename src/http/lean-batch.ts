// The ids of a batch that came whole, with its head. Its body is looked at where the request holds it, and put back when the
// route has to see it.
import type { IncomingMessage } from 'node:http'
import { bodyProblem } from './json-body.ts'
import { userIds } from './schemas.ts'

/** Bytes of a body that is looked for: no more than one read of a socket brings. */
const wholeBytesMax = 64 * 1024
const lengthForm = /^[1-9]\d{0,5}$/
const jsonForm = /^application\/json(?:; ?charset=utf-8)?$/i

/** Whether the body is one that `takeIds` takes, if it is there. */
export function mayBeWhole({ headers }: IncomingMessage): boolean {
  const { 'content-length': length = '', 'content-type': type = '', 'content-encoding': coded } = headers
  if (coded !== undefined) return false
  return lengthForm.test(length) && Number(length) <= wholeBytesMax && jsonForm.test(type)
}

/**
 * Takes the body of a request that nobody has begun to read, and gives its ids to `work`.
 *
 * @returns what `work` returns; undefined where the body is not all there, is not a batch or `work` throws: then the request
 *   is as it was
 */
export function takeIds<T>(request: IncomingMessage, work: (ids: readonly string[]) => T): T | undefined {
  if (request.readableLength !== Number(request.headers['content-length'])) return undefined
  const body = request.read() as Buffer
  let done: T | undefined
  try {
    const ids = bodyProblem(body) === undefined ? idsOf(body.toString('utf8')) : undefined
    done = ids && work(ids)
  } catch {
    done = undefined // the route comes upon the same, and says so
  }
  if (done === undefined) request.unshift(body)
  return done
}

/** Throws SyntaxError for what is no JSON. A key beside the ids may be one that the route's parser refuses. */
function idsOf(text: string): readonly string[] | undefined {
  const value: unknown = JSON.parse(text)
  const { success, data } = userIds.safeParse(value)
  return success && Object.keys(value as object).length === 1 ? data.user_ids : undefined
}
