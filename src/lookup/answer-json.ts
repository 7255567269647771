// The answer of a lookup as JSON, straight from the row: what `JSON.stringify(answerOf(row))` gives, to the byte, in a fraction
// of its time. A test holds the two against each other.
import { publishedOne } from '../core/limits.ts'
import type { UserRow } from '../store/port.ts'
import { answerOf, methodOf, totalOf } from './answer.ts'
import { isoTime } from './iso-time.ts'
import type { PersonaNames } from './names.ts'

export function answerJson(row: UserRow, names: PersonaNames): string {
  const quoted = names.quoted(row.version)
  const known = row.held.every(({ persona }) => persona < quoted.length)
  if (row.status === 'unknown' || !known) return JSON.stringify(answerOf(row, names))
  const total = totalOf(row.scores)
  const mass = total / (row.scoreWeight * publishedOne)
  const landed = row.status !== 'prototype' && Number.isFinite(mass) ? mass : null
  return `{"user_id":${JSON.stringify(row.userId)},"status":"${row.status}","personas":[${heldJson(row, { quoted, total })}],"primary":${quoted[row.primary] ?? null},"landing_mass":${landed},"method":"${methodOf(row)}","version":${row.sequence},"prototype_set_version":${row.version},"calibration_epoch":${row.epoch}}`
}

/** Held personas, most probable first (ties in the set's order): an insertion sort, for they are few. */
function heldJson(
  { held, epoch, status, scores, probabilities }: UserRow,
  { quoted, total }: { quoted: readonly string[]; total: number },
): string {
  const calibrated = epoch !== 0 && status !== 'prototype'
  const sorted: { readonly persona: number; readonly since: number; readonly probability: number }[] = []
  for (const { persona, since } of held) {
    const probability = calibrated ? probabilities[persona]! : total === 0 ? 0 : scores[persona]! / total
    let at = sorted.length
    for (; at > 0 && sorted[at - 1]!.probability < probability; at--) sorted[at] = sorted[at - 1]!
    sorted[at] = { persona, since, probability }
  }
  let json = ''
  for (const { persona, since, probability } of sorted)
    json += `${json === '' ? '' : ','}{"persona":${quoted[persona]},"probability":${probability},"since":"${isoTime(since)}"}`
  return json
}
