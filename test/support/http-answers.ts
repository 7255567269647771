// Reads answers of HTTP/1.1 off a connection, written from RFC 9112: how long a body is follows from status and headers.
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export class AnswerReader {
  #bytes: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
  }

  /** Bytes that are no whole answer yet. */
  get rest(): number {
    return this.#bytes.length
  }

  /** The next whole answer, informational ones passed over; undefined while it has not come. Throws for what is none. */
  next(method: string): Answer | undefined {
    for (;;) {
      const end = this.#bytes.indexOf('\r\n\r\n')
      if (end < 0) return undefined
      const { status, headers } = headOf(this.#bytes.subarray(0, end).toString('latin1'))
      const body = bodyOf(this.#bytes.subarray(end + 4), { method, status, headers })
      if (body === undefined) return undefined
      this.#bytes = this.#bytes.subarray(end + 4 + body.taken)
      if (status >= 200) return { status, headers, body: body.text }
    }
  }
}

type Head = Pick<Answer, 'status' | 'headers'>

function headOf(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3})( |$)/.exec(first)?.[1]
  if (status === undefined) throw new Error(`no answer of HTTP: ${JSON.stringify(text.slice(0, 200))}`)
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  return { status: Number(status), headers }
}

function bodyOf(
  bytes: Buffer,
  { method, status, headers }: Head & { method: string },
): { readonly text: string; readonly taken: number } | undefined {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { text: '', taken: 0 }
  if (headers['transfer-encoding'] === 'chunked') return chunksOf(bytes)
  const length = Number(headers['content-length'])
  if (!Number.isInteger(length)) throw new Error(`an answer of ${status} that does not say how long it is`)
  return bytes.length < length
    ? undefined
    : { text: bytes.subarray(0, length).toString('utf8'), taken: length }
}

function chunksOf(bytes: Buffer): { readonly text: string; readonly taken: number } | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    const size = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16)
    const next = end + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { text: Buffer.concat(chunks).toString('utf8'), taken: next }
    chunks.push(bytes.subarray(end + 2, end + 2 + size))
    at = next
  }
}
