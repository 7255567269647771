// Garbage collected when a test says so: what nothing refers to is gone afterwards.
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Several times, and in turns of their own: what a turn has looked at through a weak reference stays until it ends. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let n = 0; n < 3; n++) {
    await sleep(20)
    collect()
  }
}
