// A Java program that serves until it is stopped, killed or started again; it never outlives the process that started it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { java } from './fetch.ts'

const readyMsMax = 60_000
const pollMs = 25
/** How much of the log an error tells. */
const tailLinesMax = 30

export type LocalService = AsyncDisposable & {
  readonly pid: number
  /** SIGTERM, and waits for the end; nothing happens when it has ended. */
  stop(): Promise<void>
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
  /** Starts again what has ended, in the same place and on the same port; resolves when it answers. */
  restart(): Promise<void>
}

export type JavaService = {
  /** For errors. */
  readonly name: string
  readonly args: readonly string[]
  /** A file that takes what it writes, after what stands there. */
  readonly log: string
  /** Whether it answers, given what it logged since it was started. */
  readonly isReady: (logged: string) => boolean | Promise<boolean>
}

/** Resolves once it is ready; rejects with the end of its log if it ends before. */
export async function startService(service: JavaService): Promise<LocalService> {
  let child = await started(service)
  const end = async (signal: NodeJS.Signals) => {
    if (hasEnded(child)) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  return {
    get pid() {
      return child.pid!
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async restart() {
      if (!hasEnded(child)) throw new Error(`${service.name} still runs: stop or kill it first`)
      child = await started(service)
    },
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  }
}

async function started(service: JavaService): Promise<ChildProcess> {
  const logged = newTextOf(service.log)
  const child = spawned(service)
  let problem: Error | undefined
  child.once('error', (error) => {
    problem = error
  })
  const giveUpAt = performance.now() + readyMsMax
  while (problem === undefined && !(await service.isReady(logged()))) {
    if (hasEnded(child)) problem = new Error(`ended with ${child.exitCode ?? child.signalCode}`)
    else if (performance.now() > giveUpAt) problem = new Error(`did not answer in ${readyMsMax / 1000} s`)
    else await sleep(pollMs)
  }
  if (problem === undefined) return child
  child.kill('SIGKILL')
  const tail = logged().split('\n').slice(-tailLinesMax).join('\n')
  throw new Error(`${service.name} did not start. The end of ${service.log}:\n${tail}`, { cause: problem })
}

/** Apart from our process group: a terminal's Ctrl-C reaches us alone, and we stop it. */
function spawned({ args, log }: JavaService): ChildProcess {
  const output = openSync(log, 'a')
  const child = spawn(java, args, { stdio: ['ignore', output, output], detached: true })
  closeSync(output)
  if (child.pid !== undefined) dieWithUs(child)
  return child
}

/** A shell waits for our end of a pipe to close, as it does however we end, and kills the child. */
function dieWithUs(child: ChildProcess): void {
  const script = 'read -r _; kill -KILL "$1"'
  const watchdog = spawn('sh', ['-c', script, 'watchdog', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watchdog.on('error', () => undefined) // then nothing watches
  child.once('exit', () => watchdog.kill('SIGKILL'))
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Reads what is written to `file` from now on. */
function newTextOf(file: string): () => string {
  const from = existsSync(file) ? statSync(file).size : 0
  return () => (existsSync(file) ? readFileSync(file).subarray(from).toString('utf8') : '')
}
