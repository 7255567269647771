// Binary forms of epochs and content fits: JSON for what is small, whole numbers for word weights.
import type { ContentFit, ContentModel } from '../../core/content.ts'
import type { Epoch } from '../../core/epoch.ts'
import { parseJson } from './layout.ts'

type StoredEpoch = Omit<Epoch, 'calibration'> & {
  readonly calibration: { readonly base: number[]; readonly coefficients: number[]; readonly enter: number }
}

/** JSON writes a double so that reading it gives the same bits. */
export function encodeEpoch({ calibration, ...epoch }: Epoch): Buffer {
  const { base, coefficients, enter } = calibration
  const stored: StoredEpoch = {
    ...epoch,
    calibration: { base: [...base], coefficients: [...coefficients], enter },
  }
  return Buffer.from(JSON.stringify(stored))
}

export function decodeEpoch(bytes: Buffer): Epoch {
  const { calibration, ...epoch } = parseJson<StoredEpoch>(bytes)
  const { base, coefficients, enter } = calibration
  return {
    ...epoch,
    calibration: { base: Float64Array.from(base), coefficients: Float64Array.from(coefficients), enter },
  }
}

type Header = { readonly words: string[]; readonly bias: number[][] }

/** Length of the header (u32), header, then the weights of the model and of each fold, V × C i32 each. */
export function encodeContentFit({ model, folds }: ContentFit): Buffer {
  const models = [model, ...folds]
  const header: Header = { words: [...model.words.keys()], bias: models.map(({ bias }) => [...bias]) }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(text.length)
  const weights = models.map(({ weights }) =>
    Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength),
  )
  return Buffer.concat([length, text, ...weights])
}

export function decodeContentFit(bytes: Buffer): ContentFit {
  const end = 4 + bytes.readUInt32LE(0)
  const { words, bias } = parseJson<Header>(bytes.subarray(4, end))
  const index = new Map(words.map((word, i) => [word, i]))
  const size = words.length * bias[0]!.length * 4
  const models = bias.map((row, i): ContentModel => {
    const weights = new Int32Array(size / 4)
    new Uint8Array(weights.buffer).set(bytes.subarray(end + i * size, end + (i + 1) * size))
    return { words: index, weights, bias: Float64Array.from(row) }
  })
  return { model: models[0]!, folds: models.slice(1) }
}
