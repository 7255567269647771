// The thread that reads a file ahead: sends encoded chunks, never more than a few that were not taken yet.
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf, UsageError } from '../errors.ts'
import { fileChunks } from './file-lines.ts'
import { chunksAheadMax, encodedChunk, type ReadAheadInput, type ReadAheadMessage } from './read-ahead.ts'

let ahead = 0
let wake = () => {}
parentPort!.on('message', () => {
  ahead--
  wake()
})

async function read({ path, ...options }: ReadAheadInput): Promise<void> {
  for await (const chunk of fileChunks(path, options)) {
    while (ahead >= chunksAheadMax) await new Promise<void>((resolve) => (wake = resolve))
    ahead++
    const encoded = encodedChunk(chunk)
    send(
      { kind: 'chunk', chunk: encoded },
      encoded.blocks.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    )
  }
}

function send(message: ReadAheadMessage, transferred: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transferred)
}

read(workerData as ReadAheadInput).then(
  () => send({ kind: 'end' }),
  (error: unknown) => send({ kind: 'error', usage: error instanceof UsageError, message: messageOf(error) }),
)
