// What Maven fetches is kept in the user's cache, whole or not at all: a directory appears under its name once it is complete.
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const javaMajorMin = 17
const fetchMsMax = 10 * 60_000
const execute = promisify(execFile)

/** The `java` to run: that of JAVA_HOME, else the PATH's. */
export const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'

/** Where what is made from `recipe` is kept. */
export function cachePath(name: string, recipe: string | Uint8Array): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const hash = createHash('sha256').update(recipe).digest('hex').slice(0, 12)
  return join(cache, 'kindred', `${name}-${hash}`)
}

/** Resolves once `path` is there. Two that fetch at once do not meet: who ends last throws its own away. */
export async function fetchOnce(path: string, fetch: (dir: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return
  await mkdir(dirname(path), { recursive: true })
  const partial = await mkdtemp(`${path}.partial-`)
  try {
    await fetch(partial)
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (!existsSync(path)) throw error
  }
}

/** Runs Maven, quietly; rejects with what it said. */
export async function maven(...args: readonly string[]): Promise<void> {
  await insist('mvn', ['-q', '-B', ...args])
}

export async function unpack(archive: string, dir: string): Promise<void> {
  await insist('tar', ['-xzf', archive, '-C', dir])
}

/** In one line, why nothing can be fetched to `path` or run from there, and what to do; undefined when it can. */
export function localProblem(path: string): string | undefined {
  if (process.platform === 'win32') return 'needs Linux or macOS'
  const said = spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr ?? ''
  const major = Number(/version "(?<major>\d+)/.exec(said)?.groups?.major ?? 0)
  if (major < javaMajorMin)
    return `needs Java ${javaMajorMin} or later, found ${major || 'none'}: apt-get install openjdk-17-jre-headless, or set JAVA_HOME`
  if (!existsSync(path) && spawnSync('mvn', ['-v']).status !== 0)
    return 'needs Apache Maven to fetch with: apt-get install maven'
  return undefined
}

async function insist(command: string, args: readonly string[]): Promise<void> {
  try {
    await execute(command, args, { timeout: fetchMsMax })
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed: ${stdout}${stderr}`.trim(), { cause })
  }
}
