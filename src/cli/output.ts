// How commands speak: one JSON document or NDJSON on stdout with --json, text for people otherwise; progress on stderr.
import { writeSync } from 'node:fs'

/** Writes all of `text` to stdout, synchronously: an export reads one snapshot and must not wait between rows. */
export function print(text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      else throw error
    }
  }
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value)}\n`)
}

/** Prints lines of NDJSON in pieces of about 64 KiB. */
export function printLines(lines: Iterable<object>): void {
  let text = ''
  for (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    if (text.length < 65_536) continue
    print(text)
    text = ''
  }
  print(text)
}

/** A table with aligned columns; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, String(cell).length)
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === 'number'
            ? String(cell).padStart(widths[i]!)
            : i === row.length - 1
              ? cell
              : cell.padEnd(widths[i]!),
        )
        .join('  '),
    )
    .join('\n')
}

export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`
}

/** 1234567 → 1,234,567 */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** A line on stderr that is written over, on a terminal only. */
export class Progress {
  #last = 0
  readonly #enabled = process.stderr.isTTY === true

  show(text: () => string, force = false): void {
    const now = performance.now()
    if (!this.#enabled || (!force && now - this.#last < 100)) return
    this.#last = now
    process.stderr.write(`\r\u001b[2K${text()}`)
  }

  end(): void {
    if (this.#enabled) process.stderr.write('\r\u001b[2K')
  }
}

export function bar(share: number, width = 30): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`
}
