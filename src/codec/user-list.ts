// Codec of lists of users to be labelled: NDJSON {user_id, held_out?}.
import { idProblem } from '../core/ids.ts'
import { UsageError } from '../errors.ts'

export type ListedUser = { readonly userId: string; readonly heldOut: boolean }

/** Parses a list of users, each once. Throws UsageError naming the line. */
export function parseUserList(text: string, file: string): ListedUser[] {
  const users = new Map<string, ListedUser>()
  for (const [i, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue
    const user = listedUser(line, `${file}, line ${i + 1}`)
    if (users.has(user.userId))
      throw new UsageError(`${file}, line ${i + 1}: user ${JSON.stringify(user.userId)} is listed twice`)
    users.set(user.userId, user)
  }
  return [...users.values()]
}

function listedUser(line: string, at: string): ListedUser {
  const form = 'a line is {"user_id": "…", "held_out"?: true}'
  let value: { user_id?: unknown; held_out?: unknown } | null
  try {
    value = JSON.parse(line) as typeof value
  } catch (error) {
    throw new UsageError(`${at}: ${(error as Error).message}; ${form}`)
  }
  const problem = idProblem(value?.user_id)
  if (problem !== undefined) throw new UsageError(`${at}: user_id ${problem}; ${form}`)
  const heldOut = value?.held_out ?? false
  if (typeof heldOut !== 'boolean') throw new UsageError(`${at}: held_out is not true or false; ${form}`)
  return { userId: value?.user_id as string, heldOut }
}
