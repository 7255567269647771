// One keep-alive connection of the load generator: request bytes that are ready go out, and of an answer no more is looked
// at than its status and where it ends, so that generating load costs little beside answering it.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Bytes that are read from the socket at once. */
const readBytes = 64 * 1024
const lengthField = Buffer.from('\r\ncontent-length: ')
const headEnd = Buffer.from('\r\n\r\n')
/** Where the status stands in an answer. */
const statusAt = 'HTTP/1.1 '.length
const returnCode = 13
const zeroCode = 48

export class Connection {
  readonly #socket: Socket
  readonly #answered: (connection: Connection, status: number) => void
  /** When the request under way was due, ms. */
  due = 0
  /** The beginning of an answer whose head is not all there. */
  #begun: Buffer | undefined
  /** Bytes of the body that are still to come; 0 between answers. */
  #left = 0
  #status = 0

  private constructor(port: number, answered: (connection: Connection, status: number) => void) {
    this.#answered = answered
    const onread = {
      buffer: Buffer.allocUnsafe(readBytes),
      callback: (size: number, bytes: Uint8Array) => {
        this.#take((bytes as Buffer).subarray(0, size))
        return true
      },
    }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
  }

  /** `answered` is called at each answer's last byte; `failed` when the connection breaks. */
  static async open(
    port: number,
    {
      answered,
      failed,
    }: { answered: (connection: Connection, status: number) => void; failed: (error: Error) => void },
  ): Promise<Connection> {
    const connection = new Connection(port, answered)
    await once(connection.#socket, 'connect')
    connection.#socket.on('error', failed)
    connection.#socket.on('close', () => failed(new Error('the server closed a connection')))
    return connection
  }

  send(request: Buffer, due: number): void {
    this.due = due
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    if (this.#left > 0) return this.#body(chunk.length)
    const bytes = this.#begun === undefined ? chunk : Buffer.concat([this.#begun, chunk])
    const end = bytes.indexOf(headEnd)
    if (end < 0) {
      this.#begun = Buffer.from(bytes)
      return
    }
    this.#begun = undefined
    const at = bytes.indexOf(lengthField)
    if (at < 0 || at > end) throw new Error('an answer without content-length: the generator reads no other')
    let length = 0
    for (let i = at + lengthField.length; bytes[i] !== returnCode; i++)
      length = length * 10 + bytes[i]! - zeroCode
    this.#status = Number(bytes.toString('latin1', statusAt, statusAt + 3))
    this.#left = length
    this.#body(bytes.length - end - headEnd.length)
  }

  #body(size: number): void {
    this.#left -= size
    if (this.#left === 0) this.#answered(this, this.#status)
  }
}
