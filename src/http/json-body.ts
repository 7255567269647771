// What is looked at of a JSON body before it is parsed: parsing takes a megabyte of brackets or of commas many times as long
// as one of events or ids, on the thread that answers lookups.
import { isUtf8 } from 'node:buffer'
import { eventsMax } from './schemas.ts'

/** Levels of a body's arrays and objects, one within another. */
export const nestingMax = 64
/** Values of the arrays and objects of a body that is not of events. */
export const valuesMax = 4_096
/** Values of one event, with all that is passed over; and of a body of many, for each of them. */
export const eventValuesMax = 1_024
export const eventValuesMean = 64
/** Lines of a body of events, empty ones among them. */
const linesMax = 2 * eventsMax

export type JsonShape = {
  /** Levels of arrays and objects; none deeper than the most that are taken, and one, are looked for. */
  readonly depth: number
  /** Arrays, objects, and values behind a comma: no fewer than all values but one in each array and object. */
  readonly values: number
  /** The same of the element that has most: of an outermost array, or of lines; of anything else, all. */
  readonly widest: number
  /** Commas of the outermost array, or ends of lines; 0 of anything else. */
  readonly listed: number
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
  let list = false
  let begun = lines
  let level = 0
  let depth = 0
  let values = 0
  let before = 0
  let widest = 0
  let listed = 0
  const element = () => {
    widest = Math.max(widest, values - before)
    before = values
  }
  for (let i = 0; i < body.length; i++) {
    if (body[i] === quote)
      for (i++; i < body.length && body[i] !== quote && body[i] !== end; i++)
        if (body[i] === backslash && body[i + 1] !== end) i++
    const byte = body[i]!
    if (byte === end) {
      level = 0
      listed++
      element()
    } else if (byte === comma) {
      values++
      if (level === 1 && list) {
        listed++
        element()
      }
    } else if ((byte | 0x20) === 0x7b) {
      // [ and {
      if (!begun) list = byte === 0x5b
      begun = true
      values++
      if (++level > depth) depth = level
      if (depth > nestingMax) break
    } else if ((byte | 0x20) === 0x7d) level-- // ] and }
  }
  element()
  return { depth, values, widest, listed }
}

/** What is wrong with a body of JSON that is not of events, before it is parsed; undefined for nothing. */
export function bodyProblem(body: Buffer): string | undefined {
  if (!isUtf8(body)) return 'the body is not valid UTF-8'
  const { depth, values } = shapeOf(body)
  if (depth > nestingMax) return tooDeep
  if (values > valuesMax) return `the body has more than ${valuesMax} values`
  return undefined
}

/** What is wrong with a body of one event, a list or lines of them, before it is parsed; undefined for nothing. */
export function eventsProblem(body: Buffer, { lines }: { readonly lines: boolean }): string | undefined {
  const { depth, values, widest, listed } = shapeOf(body, { lines })
  if (depth > nestingMax) return tooDeep
  if (lines && listed > linesMax) return `the body has more than ${linesMax} lines`
  if (!lines && listed >= eventsMax) return tooManyEvents
  if (widest > eventValuesMax) return `an event of the body has more than ${eventValuesMax} values`
  if (values > eventValuesMax + (1 + listed) * eventValuesMean)
    return `the events of the body have more than ${eventValuesMean} values each, on the mean`
  return undefined
}

export const tooManyEvents = `more than ${eventsMax} events: send them in several requests`
const tooDeep = `the body is nested more than ${nestingMax} levels deep`
