// A `kindred serve` of one role, started as an operator starts it: on a free port, told where by its log.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { nodeFlags } from '../node-flags.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

export class ServeProcess {
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  #said = ''
  /** Where it answers; undefined while it is down. */
  url: string | undefined

  constructor(role: 'ingest' | 'lookup', args: readonly string[]) {
    this.#args = ['serve', '--role', role, '--port', '0', ...args]
  }

  /** Starts it, and resolves when it answers. Throws what it said when it ends instead. */
  async start(): Promise<void> {
    const args = [...nodeFlags, main, ...this.#args]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    this.#said = ''
    this.url = await new Promise((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        this.#said += chunk.toString('utf8')
        const address = /"address":"([^"]+)"/.exec(this.#said)?.[1]
        if (address !== undefined) resolve(address)
      })
      child.once('exit', () => reject(new Error(`serve ended: ${this.#said}`)))
    })
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.url = undefined
    await this.#end('SIGKILL')
  }

  /** SIGTERM; throws what it said when it does not end with 0. */
  async stop(): Promise<void> {
    this.url = undefined
    const code = await this.#end('SIGTERM')
    if (code !== 0) throw new Error(`serve ended with ${code}: ${this.#said}`)
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? 0
    child.kill(signal)
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }
}
