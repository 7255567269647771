// Bytes to a port as they are, and what comes back until the connection ends.
import { connect } from 'node:net'

export type RawAnswer = { readonly status: number; readonly headers: Headers; readonly body: string }

/** Sends `bytes`, and resolves with all that came once the other side closes the connection. */
export function untilClosed(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')))
  })
}

/** The one answer in a text. */
export function answerIn(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = new Headers(lines.map((line) => line.split(/: ?(.*)/s, 2) as [string, string]))
  return { status: Number(first.split(' ')[1]), headers, body: text.slice(end + 4) }
}
