// The ids of a batch that came whole, with its head: nearly every batch on a near network. Its body is looked at where the
// request holds it, and put back when the route has to see it.
import type { IncomingMessage } from 'node:http'
import { idProblem } from '../core/ids.ts'
import { batchIdsMax } from './schemas.ts'

/** Bytes of a body that is looked for: no more than one read of a socket brings. */
const wholeBytesMax = 64 * 1024
const lengthForm = /^[1-9]\d{0,5}$/
const jsonForm = /^application\/json(?:; ?charset=utf-8)?$/i

/** Whether the body is one that `takeIds` takes, if it is there. */
export function mayBeWhole({ headers }: IncomingMessage): boolean {
  const { 'content-length': length = '', 'content-type': type = '' } = headers
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
  const body = request.read() as Buffer | null // null where the connection was lost meanwhile
  if (body === null) return undefined
  let done: T | undefined
  try {
    const ids = idsOf(body.toString('utf8'))
    done = ids && work(ids)
  } catch {
    done = undefined // the route comes upon the same, and says so
  }
  if (done === undefined) request.unshift(body)
  return done
}

/** Throws SyntaxError for what is no JSON. */
function idsOf(text: string): readonly string[] | undefined {
  const value = JSON.parse(text) as unknown
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return undefined
  const { user_ids: ids } = value as { readonly user_ids?: unknown }
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > batchIdsMax) return undefined
  return ids.every((id) => idProblem(id) === undefined) ? ids : undefined
}
