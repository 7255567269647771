// The processes of the benchmark as the one that runs it sees them: servers, the load generator, and ingest.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { nodeFlags } from '../../node-flags.ts'
import { kindredMain, ServeProcess } from '../../serve-process.ts'
import type { LoadJob, LoadReply, LoadResult, Run, Target } from './load.ts'

function script(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

export type Server = AsyncDisposable & { readonly port: number }
export type Measured = {
  readonly requests: number
  readonly seconds: number
  /** Latencies in microseconds. */
  readonly histogram: Histogram
  readonly generatorCpuSeconds: number
}
export type Generator = Disposable & {
  open(target: Target): Promise<void>
  close(target: string): Promise<void>
  run(run: Run): Promise<Measured>
}

/** A command of Kindred's on a directory, with its defaults but for what `args` say. */
export function kindred(
  args: readonly string[],
  { stdio = 'ignore' }: { stdio?: 'ignore' | 'pipe' } = {},
): ChildProcess {
  return spawn(process.execPath, [...nodeFlags, kindredMain, ...args], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', stdio],
  })
}

/** Runs a command of Kindred's to its end. */
export async function kindredToEnd(args: readonly string[]): Promise<void> {
  const child = kindred(args, { stdio: 'pipe' })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8')
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`kindred ${args[0]} ended with code ${code}: ${said}`)
}

/** `kindred serve` on a free port of loopback. */
export async function startKindred(dir: string, flags: readonly string[] = []): Promise<Server> {
  const serve = await new ServeProcess(['--data', dir, ...flags]).start()
  return { port: Number(new URL(serve.url).port), [Symbol.asyncDispose]: () => serve.stop() }
}

/** One of the servers that Kindred is compared with, under the same flags of Node; its answers have bodies of `size` bytes. */
export async function startPeer(name: 'bare' | 'floor', size: number): Promise<Server> {
  const child = fork(script(`./${name}-server.js`), [String(size)], { execArgv: [...nodeFlags] })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number))
    child.once('exit', (code) => reject(new Error(`the ${name} server ended with code ${code}`)))
  })
  return { port, [Symbol.asyncDispose]: () => end(child) }
}

/** Appends the events of a file to a directory's log, in a process of its own. */
export function feed(dir: string, file: string): ChildProcess {
  return fork(script('./feed.js'), [dir, file])
}

export function startGenerator(): Generator {
  const child = fork(script('./load.js'), { execArgv: [...nodeFlags] })
  const ask = (job: LoadJob) =>
    new Promise<LoadResult | undefined>((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the load generator ended with code ${code}`))
      child.once('message', (reply: LoadReply) => {
        child.off('exit', ended)
        if (reply.kind === 'done') resolve(reply.result)
        else reject(new Error(`load: ${reply.error}`))
      })
      child.once('exit', ended)
      child.send(job)
    })
  return {
    open: async (target) => void (await ask({ kind: 'open', target })),
    close: async (target) => void (await ask({ kind: 'close', target })),
    async run(run) {
      const { requests, seconds, histogram, cpuSeconds } = (await ask({ kind: 'run', run }))!
      const decoded = decodeFromCompressedBase64(histogram)
      return { requests, seconds, histogram: decoded, generatorCpuSeconds: cpuSeconds }
    },
    [Symbol.dispose]: () => void child.kill(),
  }
}

/** Ends a process and waits for it. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
