// Many requests on few connections: each batch is written at once and answered in order (pipelining), which is as quick as
// one process can ask another.
import { connect, type Socket } from 'node:net'
import { type Answer, AnswerReader } from './http-answers.ts'

export type Wire = {
  readonly method: string
  /** The request as it goes out. */
  readonly bytes: Buffer
}

/** How long anything may take that is no fault of its own. */
const msMax = 30_000
/** A request that is sent so often without an answer is refused one. */
const triesMax = 3

/** Sends the requests in order on connections to `port`; behind an answer that closes one, the rest goes by another. */
export async function pipelined(port: number, requests: readonly Wire[]): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let tries = 0; answers.length < requests.length; ) {
    const before = answers.length
    await oneConnection(port, requests.slice(before), answers)
    tries = answers.length > before ? 0 : tries + 1
    if (tries === triesMax)
      throw new Error(
        `no answer to ${JSON.stringify(requests[before]!.bytes.toString('latin1').slice(0, 600))}`,
      )
  }
  return answers
}

function oneConnection(port: number, requests: readonly Wire[], answers: Answer[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new AnswerReader()
    const socket = connect(port, '127.0.0.1')
    const end = (error?: Error) => {
      clearTimeout(timer)
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    const timer = setTimeout(() => {
      const [waiting] = requests.slice(got)
      end(new Error(`no answer in time to ${waiting!.bytes.toString('latin1').slice(0, 600)}`))
    }, msMax)
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk)
        for (;;) {
          const request = requests[got]
          if (request === undefined) return end()
          const answer = reader.next(request.method)
          if (answer === undefined) return
          got++
          answers.push(answer)
        }
      } catch (error) {
        end(error as Error)
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => end())
    socket.write(Buffer.concat(requests.map(({ bytes }) => bytes)))
  })
}

/** All answers to bytes of any kind, which end there: what comes until the other side closes. */
export function raw(port: number, bytes: Uint8Array): Promise<Answer[]> {
  return new Promise((resolve, reject) => {
    const reader = new AnswerReader()
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`still open: ${JSON.stringify(Buffer.from(bytes).toString('latin1').slice(0, 600))}`))
    }, msMax)
    socket.on('data', (chunk: Buffer) => reader.push(chunk))
    socket.on('end', () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      try {
        const answers: Answer[] = []
        for (let answer = reader.next('GET'); answer !== undefined; answer = reader.next('GET'))
          answers.push(answer)
        resolve(answers)
      } catch (error) {
        reject(error as Error)
      }
    })
    socket.end(bytes)
  })
}
