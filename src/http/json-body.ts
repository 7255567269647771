// What is looked at of a JSON body before it is parsed: parsing takes a megabyte of brackets or of commas many times as long
// as one of events or ids, on the thread that answers lookups.
import { isUtf8 } from 'node:buffer'

/** Levels of a body's arrays and objects, one within another. */
export const nestingMax = 64
/** Values of the arrays and objects of a body that is not of events. */
export const valuesMax = 4_096

export type JsonShape = {
  /** Levels of arrays and objects; none deeper than the most that are taken, and one, are looked for. */
  readonly depth: number
  /** Commas outside of strings: in all, and those of the outermost array or object alone. */
  readonly commas: number
  readonly outerCommas: number
}

const quote = 34
const backslash = 92
const comma = 44
const newline = 10
/** No byte. */
const none = -1

/** The shape of JSON text, or with `lines` of text that is JSON in each line; of what is no JSON, any. */
export function shapeOf(body: Uint8Array, { lines = false }: { readonly lines?: boolean } = {}): JsonShape {
  const end = lines ? newline : none
  let level = 0
  let depth = 0
  let commas = 0
  let outerCommas = 0
  for (let i = 0; i < body.length; i++) {
    if (body[i] === quote)
      for (i++; i < body.length && body[i] !== quote && body[i] !== end; i++)
        if (body[i] === backslash && body[i + 1] !== end) i++
    const byte = body[i]!
    if (byte === end) level = 0
    else if (byte === comma) {
      commas++
      if (level === 1) outerCommas++
    } else if ((byte | 0x20) === 0x7b) {
      // [ and {
      if (++level > depth) depth = level
      if (depth > nestingMax) break
    } else if ((byte | 0x20) === 0x7d) level-- // ] and }
  }
  return { depth, commas, outerCommas }
}

/** What is wrong with a body of JSON that is not of events, before it is parsed; undefined for nothing. */
export function bodyProblem(body: Buffer): string | undefined {
  if (!isUtf8(body)) return 'the body is not valid UTF-8'
  const { depth, commas } = shapeOf(body)
  if (depth > nestingMax) return tooDeep
  if (commas >= valuesMax) return `the body has more than ${valuesMax} values`
  return undefined
}

export const tooDeep = `the body is nested more than ${nestingMax} levels deep`
