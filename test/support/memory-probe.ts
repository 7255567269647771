// Loaded into a process before its own code (NODE_OPTIONS=--import): asked by its parent, it collects garbage and says what
// it holds then.
import { readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

export type Held = {
  /** Bytes of this thread's heap and of what hangs on it outside. */
  readonly heap: number
  /** Bytes of memory of the process that is no file; 0 where the system does not say. */
  readonly anonymous: number
  /** Open files and sockets; 0 likewise. */
  readonly files: number
}

if (isMainThread && process.send !== undefined) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  process.on('message', (message) => {
    if (message !== 'held') return
    collect()
    setImmediate(() => {
      collect()
      process.send!(held())
    })
  })
  process.channel?.unref()
}

function held(): Held {
  const { heapUsed, external } = process.memoryUsage()
  if (process.platform !== 'linux') return { heap: heapUsed + external, anonymous: 0, files: 0 }
  const anonymous = /RssAnon:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return {
    heap: heapUsed + external,
    anonymous: Number(anonymous) * 1024,
    files: readdirSync('/proc/self/fd').length,
  }
}
