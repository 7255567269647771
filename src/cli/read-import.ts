// Reading the files of an import: labels (NDJSON) and the persona set (JSON), plain or gzip.
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { importOf, parseLabels, parsePersonaSet } from '../codec/prototypes.ts'
import type { PrototypeImport } from '../core/event.ts'
import { messageOf, UsageError } from '../errors.ts'

/** Reads a prototype file (and persona set) into an import. Throws UsageError. */
export function readImport(prototypes: string, personas: string | undefined): PrototypeImport {
  const labels = parseLabels(readText(prototypes), prototypes)
  if (labels.length === 0) throw new UsageError(`${prototypes} has no labelled user`)
  if (labels.every(({ held_out }) => held_out === true))
    throw new UsageError(`every user of ${prototypes} is held out: none is left to be a prototype`)
  return importOf(labels, personas === undefined ? undefined : parsePersonaSet(readText(personas), personas))
}

/** A file's text, plain or gzip. Throws UsageError. */
export function readText(file: string): string {
  const bytes = readBytes(file)
  if (!isUtf8(bytes))
    throw new UsageError(`${file}, line ${lineNotUtf8(bytes)}: not valid UTF-8; save the file as UTF-8`)
  return bytes.toString('utf8')
}

function readBytes(file: string): Buffer {
  try {
    const bytes = readFileSync(file)
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${messageOf(error)}`)
  }
}

/** The first line that is not UTF-8: a line end is never part of another character. */
function lineNotUtf8(bytes: Buffer): number {
  let line = 1
  for (let start = 0, end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start), line++) {
    if (!isUtf8(bytes.subarray(start, end))) break
    start = end + 1
  }
  return line
}
