// What a virtual machine's host keeps from it: time in which there was work to do here and the cores did another's. Latencies
// below a millisecond cannot be judged without it.
import { readFileSync } from 'node:fs'

/** Fields of the first line of /proc/stat, proc(5); all are ticks since the start of the system. */
type Ticks = { readonly stolen: number; readonly busy: number }

function ticks(): Ticks | undefined {
  if (process.platform !== 'linux') return undefined
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = readFileSync(
    '/proc/stat',
    'utf8',
  )
    .slice('cpu  '.length)
    .split(' ', 8)
    .map(Number)
  return { stolen, busy: user + nice + system + irq + softirq }
}

/**
 * @returns tells the share of the time with something to run, in 0 to 1, that the host has taken since; undefined where the
 *   system does not count it (it does on Linux)
 */
export function stolenShareSince(): () => number | undefined {
  const before = ticks()
  return () => {
    const now = ticks()
    if (before === undefined || now === undefined) return undefined
    const stolen = now.stolen - before.stolen
    const all = stolen + now.busy - before.busy
    return all === 0 ? 0 : stolen / all
  }
}
