// Reading a file ahead in a thread of its own: unzipping, splitting and packing lines take no time from what applies them.
import { Worker } from 'node:worker_threads'
import { FatalError, UsageError } from '../errors.ts'
import { type FileChunk, fileChunks } from './file-lines.ts'
import { type EncodedBlock, encodedBlock } from './log-block.ts'

/** Chunks that wait to be taken, at the most. */
export const chunksAheadMax = 16

/** A chunk of a file, as blocks ready for the log. */
export type EncodedChunk = Omit<FileChunk, 'blocks'> & { readonly blocks: readonly EncodedBlock[] }

export type ReadAheadInput = { readonly path: string; readonly source: string; readonly fromLine: number }
export type ReadAheadMessage =
  | { readonly kind: 'chunk'; readonly chunk: EncodedChunk }
  | { readonly kind: 'end' }
  | { readonly kind: 'error'; readonly usage: boolean; readonly message: string }

export function encodedChunk({ blocks, ...rest }: FileChunk): EncodedChunk {
  return { ...rest, blocks: blocks.map(encodedBlock) }
}

/** What `fileChunks` gives, encoded here: for input that only this thread can read. */
export async function* encodedChunks(
  path: string,
  options: Parameters<typeof fileChunks>[1],
): AsyncGenerator<EncodedChunk> {
  for await (const chunk of fileChunks(path, options)) yield encodedChunk(chunk)
}

/** What `fileChunks` gives for a file, read ahead by at most `chunksAheadMax` chunks. Throws what it throws. */
export async function* readAhead(input: ReadAheadInput): AsyncGenerator<EncodedChunk> {
  const worker = new Worker(new URL('./read-ahead-thread.js', import.meta.url), {
    workerData: input,
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  })
  const arrived: ReadAheadMessage[] = []
  let wake = () => {}
  const arrive = (message: ReadAheadMessage) => {
    arrived.push(message)
    wake()
  }
  worker.on('message', arrive)
  worker.once('error', ({ message }) => arrive({ kind: 'error', usage: false, message }))
  try {
    while (true) {
      const message = arrived.shift()
      if (message === undefined) await new Promise<void>((resolve) => (wake = resolve))
      else if (message.kind === 'end') return
      else if (message.kind === 'error')
        throw message.usage ? new UsageError(message.message) : new FatalError(message.message)
      else {
        worker.postMessage('taken')
        yield message.chunk
      }
    }
  } finally {
    await worker.terminate()
  }
}
