// Two texts as sets of lines: when they differ, the message shows the first lines of either that the other lacks.
import assert from 'node:assert/strict'

const shown = 3

export function assertSameLines(
  actual: string | readonly string[],
  expected: typeof actual,
  what: string,
): void {
  const [left, right] = [sortedLines(actual), sortedLines(expected)]
  if (left.length === right.length && left.every((line, i) => line === right[i])) return
  const [inLeft, inRight] = [new Set(left), new Set(right)]
  const surplus = left.filter((line) => !inRight.has(line)).slice(0, shown)
  const missing = right.filter((line) => !inLeft.has(line)).slice(0, shown)
  assert.fail(
    `${what}: ${left.length} lines where ${right.length} are expected;\n  beyond: ${surplus.join('\n  ')}\n  missing: ${missing.join('\n  ')}`,
  )
}

function sortedLines(text: string | readonly string[]): string[] {
  return (typeof text === 'string' ? text.split('\n') : [...text]).filter((line) => line !== '').sort()
}
