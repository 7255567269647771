// The shop that is looked up: a directory filled by `kindred replay`, a copy of it for the replay beside the bare route, the
// requests, and files of further events, which buy the same products again under new ids.
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { configFrom } from '../../../src/config.ts'
import { rngFor } from '../../../src/core/rng.ts'
import { addToken } from '../../../src/http/tokens.ts'
import { openReader } from '../../../src/profiler.ts'
import { linesOf, type Sequence, writeLabels } from '../shared.ts'
import { kindredToEnd } from './processes.ts'

const seed = 1
/** Requests that are made ready, of users drawn from all with repetition. */
const lookupsReady = 20_000
const batchesReady = 200
export const batchIds = 100
const linesAtOnce = 10_000

export type Shop = {
  readonly name: string
  readonly users: number
  /** What is looked up. */
  readonly dir: string
  /** The same as it was filled, for ingest beside something else. */
  readonly besideDir: string
  readonly token: string
  /** Users in the order in which they are looked up. */
  readonly looked: readonly string[]
  readonly lookups: readonly string[]
  readonly batches: readonly string[]
  /** Writes at least `count` events that no directory knows; `mark` tells them from others. */
  writeEvents(file: string, options: { mark: string; count: number }): void
}

export async function prepareShop(sequence: Sequence, root: string): Promise<Shop> {
  const lines = await linesOf(sequence)
  mkdirSync(root)
  const dir = join(root, 'looked-up')
  const besideDir = join(root, 'beside')
  const file = join(root, 'events.ndjson')
  const labels = join(root, 'labels.ndjson')
  writeLines(file, lines, (line) => line)
  writeLabels(labels, sequence.labels)
  await kindredToEnd(['replay', file, '--data', dir, '--prototypes', labels])
  rmSync(file)
  await cp(dir, besideDir, { recursive: true })
  const { token } = addToken(dir, { name: 'bench', scopes: ['lookup'], now: new Date() })
  const ids = await userIdsOf(dir)
  const rng = rngFor({ seed, text: 'lookups', position: 0 })
  const looked = Array.from({ length: lookupsReady }, () => ids[rng.below(ids.length)]!)
  const batchOf = () => Array.from({ length: batchIds }, () => ids[rng.below(ids.length)]!)
  return {
    name: sequence.name,
    users: ids.length,
    dir,
    besideDir,
    token,
    looked,
    lookups: looked.map((id) =>
      request({ line: `GET /v1/users/${encodeURIComponent(id)}/personas`, token, body: undefined }),
    ),
    batches: Array.from({ length: batchesReady }, () =>
      request({ line: 'POST /v1/users/personas', token, body: JSON.stringify({ user_ids: batchOf() }) }),
    ),
    writeEvents(to, { mark, count }) {
      for (let copy = 0; copy * lines.length < count; copy++)
        writeLines(to, lines, (line) => line.replace('"event_id":"', `"event_id":"${mark}-${copy}:`))
    },
  }
}

function request({ line, token, body }: { line: string; token: string; body: string | undefined }): string {
  const head = `${line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n`
  if (body === undefined) return `${head}\r\n`
  return `${head}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

async function userIdsOf(dir: string): Promise<string[]> {
  const store = openReader({ dir, config: configFrom({}) })
  try {
    return [...store.users()].map((user) => store.user(user)!.userId)
  } finally {
    await store.close()
  }
}

/** Appends lines to a file. */
function writeLines(file: string, lines: readonly string[], changed: (line: string) => string): void {
  const fd = openSync(file, 'a')
  for (let from = 0; from < lines.length; from += linesAtOnce)
    writeSync(
      fd,
      lines
        .slice(from, from + linesAtOnce)
        .map((line) => `${changed(line)}\n`)
        .join(''),
    )
  fsyncSync(fd) // the disk has done with it before anything is measured
  closeSync(fd)
}
