// An append-only file of NDJSON that survives a kill: a torn last line is cut, an entry counts once it is on disk.
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { FatalError, messageOf } from '../errors.ts'

/** One process at a time writes such a file: who opens it holds the lock of its directory. */
export class AppendFile<T extends object> {
  readonly #path: string
  #fd: number
  #size: number

  private constructor(path: string, fd: number, size: number) {
    this.#path = path
    this.#fd = fd
    this.#size = size
  }

  /** Opens (or makes) the file and reads what it holds. Throws FatalError for a line that was not written by this. */
  static open<T extends object>(path: string): { file: AppendFile<T>; entries: T[] } {
    mkdirSync(dirname(path), { recursive: true })
    const isNew = !existsSync(path)
    const fd = openSync(path, 'a+')
    if (isNew) syncDirectory(path)
    const { entries, size, torn } = readWhole<T>(path)
    if (torn) ftruncateSync(fd, size)
    return { file: new AppendFile<T>(path, fd, size), entries }
  }

  /** Appends, and waits for the disk: what was appended is there after a kill, and after a power loss. */
  append(entries: readonly T[]): void {
    if (entries.length === 0) return
    const bytes = bytesOf(entries)
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
      fdatasyncSync(this.#fd)
    } catch (error) {
      ftruncateSync(this.#fd, this.#size) // half a line must not be glued to the next
      throw new FatalError(`cannot write to ${this.#path}: ${messageOf(error)}`)
    }
    this.#size += bytes.length
  }

  /** Replaces the file by one of these entries, at once or not at all. */
  rewrite(entries: readonly T[]): void {
    const bytes = bytesOf(entries)
    replaceFile(this.#path, bytes)
    closeSync(this.#fd)
    this.#fd = openSync(this.#path, 'a+')
    this.#size = bytes.length
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Removes a file, and waits for the disk. */
export function removeFile(path: string): void {
  rmSync(path, { force: true })
  syncDirectory(path)
}

/** Writes a file whole: a reader, and a crash, find the old one or the new one. */
export function replaceFile(path: string, bytes: string | Uint8Array): void {
  const next = `${path}.next`
  try {
    const fd = openSync(next, 'w')
    try {
      writeFileSync(fd, bytes)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(next, path)
    syncDirectory(path)
  } catch (error) {
    throw new FatalError(`cannot write ${path}: ${messageOf(error)}`)
  }
}

function bytesOf(entries: readonly object[]): Buffer {
  return Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
}

function readWhole<T>(path: string): { entries: T[]; size: number; torn: boolean } {
  const bytes = readFileSync(path)
  const size = bytes.lastIndexOf(10) + 1
  const entries: T[] = []
  for (const [i, line] of bytes.subarray(0, size).toString('utf8').split('\n').entries()) {
    if (line === '') continue
    try {
      entries.push(JSON.parse(line) as T)
    } catch {
      throw new FatalError(
        `${path}, line ${i + 1}, is not JSON: the file was changed by hand; mend or remove the line`,
      )
    }
  }
  return { entries, size, torn: size < bytes.length }
}

/** A file's name is on disk once its directory is. */
function syncDirectory(path: string): void {
  const fd = openSync(dirname(path), 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
