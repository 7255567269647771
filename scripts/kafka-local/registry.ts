// A schema registry that speaks Confluent's API, on the loopback: Apicurio, fetched by Maven once (110 MB).
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { cachePath, fetchOnce, localProblem, maven, unpack } from './fetch.ts'
import { freePort } from './free-ports.ts'
import { type LocalService, startService } from './java-service.ts'

const version = '3.0.9'
const artifact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`
/** Its descriptor names a parent that is not published: later versions of the plugin insist on that. */
const copyGoal = 'org.apache.maven.plugins:maven-dependency-plugin:2.8:copy'
/** Starts in 1.7 s on two cores, and in 4 s without these. */
const quick = ['-Xms128m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xverify:none']

export type RegistryOptions = {
  /** Takes its log (registry.log); made if it is not there. */
  readonly dir: string
  /** A free one by default. */
  readonly port?: number
}

/**
 * Schemas are kept in memory alone: after a restart there are none, and ids are given out from 1 again. Clients that cached
 * ids before then mean other schemas by them.
 */
export type LocalRegistry = LocalService & {
  /** Base of the Confluent API: `${url}/subjects`, `${url}/schemas/ids/1`. */
  readonly url: string
  readonly port: number
}

/** In one line, what is missing to fetch and run it; undefined when nothing is. */
export function registryProblem(): string | undefined {
  return localProblem(application())
}

/** The directory of its program, fetched unless it is there. */
export async function fetchRegistry(): Promise<string> {
  const path = application()
  await fetchOnce(path, async (dir) => {
    await maven(copyGoal, `-Dartifact=${artifact}`, `-DoutputDirectory=${dir}`)
    const archive = join(dir, `apicurio-registry-app-${version}-all.tar.gz`)
    await unpack(archive, dir)
    await rm(archive)
  })
  return path
}

/** Resolves once it answers; rejects with the end of its log when it does not start. */
export async function startRegistry(options: RegistryOptions): Promise<LocalRegistry> {
  const problem = registryProblem()
  if (problem !== undefined) throw new Error(`a local schema registry ${problem}`)
  const program = await fetchRegistry()
  const dir = resolve(options.dir)
  mkdirSync(dir, { recursive: true })
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  const service = await startService({
    name: 'Apicurio Registry',
    args: [
      ...quick,
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${port}`,
      '-jar',
      join(program, `apicurio-registry-app-${version}-runner.jar`),
    ],
    log: join(dir, 'registry.log'),
    isReady: () => answers(`${url}/subjects`),
  })
  return Object.assign(service, { url, port })
}

function application(): string {
  return cachePath('registry-local', artifact)
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false // nobody listens yet
  }
}
