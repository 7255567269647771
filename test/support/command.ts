// The built command as people run it: a real process, its output, and a directory of its own that is removed after.
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
/** A command that takes this long is killed: it hangs. */
const secondsDefault = 120

export type Settings = Readonly<Record<string, string>>
export type Input = {
  /** KINDRED_* settings; those of the environment do not count. */
  readonly env?: Settings
  readonly stdin?: string | Uint8Array
  readonly cwd?: string
  readonly secondsMax?: number
  /** A module that it loads first, and a channel to talk with that (`child.send`). */
  readonly preload?: URL
}
export type Outcome = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export type Running = {
  readonly child: ChildProcess
  /** What it wrote so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<Outcome>
}

/** Starts `kindred …args`. */
export function start(
  args: readonly string[],
  { env = {}, stdin, cwd, secondsMax = secondsDefault, preload }: Input = {},
): Running {
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      ...bareEnvironment(),
      ...env,
      ...(preload === undefined ? {} : { NODE_OPTIONS: `--import=${preload.href}` }),
    },
    cwd,
    stdio: ['pipe', 'pipe', 'pipe', ...(preload === undefined ? [] : ['ipc' as const])],
  }) as ChildProcessWithoutNullStreams
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => undefined) // it need not read all it is given
  child.stdin.end(stdin)
  const stdout = () => Buffer.concat(out).toString('utf8')
  const stderr = () => Buffer.concat(err).toString('utf8')
  const timer = setTimeout(() => child.kill('SIGKILL'), secondsMax * 1000)
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout: stdout(), stderr: stderr() })
    })
  })
  return { child, stdout, stderr, ended }
}

/** Runs `kindred …args` to its end. */
export function run(args: readonly string[], input: Input = {}): Promise<Outcome> {
  return start(args, input).ended
}

/** Runs it, and throws what it said when it does not end with 0; returns its stdout. */
export async function succeed(args: readonly string[], input: Input = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await run(args, input)
  if (code !== 0) throw new Error(`kindred ${args.join(' ')} ended with ${code ?? signal}: ${stderr}`)
  return stdout
}

/** The one JSON document of a command that succeeds. */
export async function json<T = Record<string, unknown>>(
  args: readonly string[],
  input: Input = {},
): Promise<T> {
  return JSON.parse(await succeed([...args, '--json'], input)) as T
}

/** The NDJSON of a command that succeeds. */
export async function lines<T = Record<string, unknown>>(
  args: readonly string[],
  input: Input = {},
): Promise<T[]> {
  return parseLines<T>(await succeed([...args, '--json'], input))
}

export function parseLines<T = Record<string, unknown>>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

export async function withDirectory<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = makeDirectory()
  try {
    return await work(dir)
  } finally {
    removeDirectory(dir)
  }
}

/** A new empty directory, for suites that share one. */
export function makeDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'kindred-test-'))
}

export function removeDirectory(dir: string): void {
  rmSync(dir, { recursive: true, force: true })
}

/** The environment without settings of Kindred. */
function bareEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KINDRED_')))
}
