// A reader of server-sent events, written from the specification (HTML Living Standard §9.2.6).
import { get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'

export type ServerEvent = { readonly id: string; readonly event: string; readonly data: string }

export class EventReader implements AsyncDisposable {
  readonly headers: IncomingHttpHeaders
  readonly events: ServerEvent[] = []
  /** The last event id, as a browser would send it when it reconnects. */
  lastId = ''
  comments = 0
  ended = false
  readonly #response: IncomingMessage
  #rest = ''
  #id = ''
  #event = ''
  #data: string[] = []

  private constructor(response: IncomingMessage) {
    this.headers = response.headers
    this.#response = response
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#take(text))
    response.on('error', () => undefined) // cut: what has come stands
    response.on('close', () => {
      this.ended = true
    })
  }

  /** Rejects for an answer that is no stream. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { headers, agent: false }, resolve).on('error', reject) // a connection of its own, closed with it
    })
    if (response.statusCode === 200) return new EventReader(response)
    response.destroy()
    throw new Error(`${url} is answered with ${response.statusCode}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#response.destroy()
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) this.#line(line)
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch()
    if (line.startsWith(':')) return void this.comments++
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'id') this.#id = value
    if (field === 'event') this.#event = value
    if (field === 'data') this.#data.push(value)
  }

  #dispatch(): void {
    this.lastId = this.#id
    if (this.#data.length > 0)
      this.events.push({ id: this.#id, event: this.#event, data: this.#data.join('\n') })
    this.#data = []
    this.#event = ''
  }
}
