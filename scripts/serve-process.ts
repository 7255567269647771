// A `kindred serve`, started as an operator starts it: on a free port of loopback, told where by its log.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { nodeFlags } from './node-flags.ts'

export const kindredMain = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

export class ServeProcess {
  readonly #args: readonly string[]
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | undefined
  #said = ''
  #url: string | undefined

  /** `settings` are all that it has: none of this process's own go to it. */
  constructor(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
    this.#args = ['serve', '--port', '0', ...args]
    this.#env = { PATH: process.env.PATH, ...settings }
  }

  /** Where it answers. Throws while it is down. */
  get url(): string {
    if (this.#url === undefined) throw new Error('serve is down')
    return this.#url
  }

  get up(): boolean {
    return this.#url !== undefined
  }

  /** Starts it, and resolves when it answers. Throws what it said when it ends instead. */
  async start(): Promise<this> {
    const args = [...nodeFlags, kindredMain, ...this.#args]
    const child = spawn(process.execPath, args, { env: this.#env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    this.#said = ''
    this.#url = await new Promise((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        this.#said += chunk.toString('utf8')
        const address = /"address":"([^"]+)"/.exec(this.#said)?.[1]
        if (address !== undefined) resolve(address)
      })
      child.once('exit', () => reject(new Error(`serve ended: ${this.#said}`)))
    })
    return this
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM; throws what it said when it does not end with 0. */
  async stop(): Promise<void> {
    const code = await this.#end('SIGTERM')
    if (code !== 0) throw new Error(`serve ended with ${code}: ${this.#said}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    this.#url = undefined
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? 0
    child.kill(signal)
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }
}
