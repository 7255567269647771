// The load generator, in a process of its own. Steady load is open: each request is due at a time that was fixed beforehand
// and is sent then, whatever came of the others; one that cannot be sent, because all connections wait for an answer, is late,
// and its latency counts from when it was due. So a server that stands still is seen by every request that fell due meanwhile.
import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { Connection } from './connection.ts'

/** A server and what it is asked. */
export type Target = {
  readonly name: string
  readonly port: number
  /** Whole requests, used one after another, again and again. */
  readonly requests: readonly string[]
  readonly connections: number
}
export type Run = {
  readonly target: string
  readonly seconds: number
  /** The same for so long before, which does not count: a server that stood still while others had their turn is not steady. */
  readonly lead: number
  /** Requests a second; without, each connection sends its next when it has its answer: as many as the server takes. */
  readonly perSecond?: number
}
export type LoadJob =
  | { readonly kind: 'open'; readonly target: Target }
  | { readonly kind: 'close'; readonly target: string }
  | { readonly kind: 'run'; readonly run: Run }
export type LoadResult = {
  readonly requests: number
  readonly seconds: number
  /** Latencies in microseconds, of hdr-histogram-js. */
  readonly histogram: string
  /** CPU time of this process, seconds. */
  readonly cpuSeconds: number
}
export type LoadReply =
  | { readonly kind: 'done'; readonly result?: LoadResult }
  | { readonly kind: 'failed'; readonly error: string }

/**
 * How long the generator sleeps between looks, ms, to which the system adds its own 0.1 or so. A timer of Node's counts in
 * whole milliseconds, which would blur latencies below one; a loop that never sleeps would take a core from what is measured.
 */
const pollMs = 0.01
/** Latencies that the histogram tells apart, to three digits. */
const microsecondsMax = 60_000_000
/** How long the last answers are waited for. */
const lateMsMax = 10_000

class Load {
  readonly #target: Target
  readonly #requests: readonly Buffer[]
  #all: Connection[] = []
  #idle: Connection[] = []
  readonly #clock = new Int32Array(new SharedArrayBuffer(4))
  #histogram = newHistogram()
  #next = 0
  #failure: Error | undefined

  constructor(target: Target) {
    this.#target = target
    this.#requests = target.requests.map((text) => Buffer.from(text))
  }

  /** Connections are made for one run, and have had an answer each before it begins: a server closes those that are idle. */
  async run(run: Run): Promise<LoadResult> {
    const answered = (connection: Connection, status: number) => this.#answered(connection, status)
    const failed = (error: Error) => this.#fail(error)
    const { port, connections } = this.#target
    this.#idle = []
    this.#all = []
    try {
      while (this.#all.length < connections) this.#all.push(await Connection.open(port, { answered, failed }))
      const now = performance.now()
      for (const connection of this.#all) this.#send(connection, now)
      while (this.#idle.length < this.#all.length) await this.#turn(now + lateMsMax)
      await this.#measure({ ...run, seconds: run.lead })
      return await this.#measure(run)
    } finally {
      for (const connection of this.#all) connection.close()
    }
  }

  async #measure({ seconds, perSecond }: Run): Promise<LoadResult> {
    this.#histogram = newHistogram()
    const cpu = process.cpuUsage()
    const began = performance.now()
    if (perSecond === undefined) await this.#saturate(began + seconds * 1000)
    else await this.#keepTo(began, { everyMs: 1000 / perSecond, count: Math.round(seconds * perSecond) })
    const { user, system } = process.cpuUsage(cpu)
    return {
      requests: this.#histogram.totalCount,
      seconds: (performance.now() - began) / 1000,
      histogram: encodeIntoCompressedBase64(this.#histogram),
      cpuSeconds: (user + system) / 1e6,
    }
  }

  /** Sends `count` requests when they are due, and waits for the answers. */
  async #keepTo(began: number, { everyMs, count }: { everyMs: number; count: number }): Promise<void> {
    const end = began + count * everyMs + lateMsMax
    for (let sent = 0; this.#histogram.totalCount < count; ) {
      for (; sent < count && began + sent * everyMs <= performance.now(); sent++) {
        const connection = this.#idle.pop()
        if (connection === undefined) break
        this.#send(connection, began + sent * everyMs)
      }
      Atomics.wait(this.#clock, 0, 0, pollMs)
      await this.#turn(end)
    }
  }

  /** Keeps every connection busy until `end`, and waits for the last answers. */
  async #saturate(end: number): Promise<void> {
    while (performance.now() < end) {
      for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop())
        this.#send(connection, performance.now())
      await this.#turn(end + lateMsMax)
    }
    while (this.#idle.length < this.#all.length) await this.#turn(end + lateMsMax)
  }

  /** A turn of the event loop, which reads what has come. */
  async #turn(end: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#failure !== undefined) throw this.#failure
    if (performance.now() > end) throw new Error(`answers are more than ${lateMsMax} ms late`)
  }

  #send(connection: Connection, due: number): void {
    connection.send(this.#requests[this.#next++ % this.#requests.length]!, due)
  }

  #answered(connection: Connection, status: number): void {
    if (status !== 200) this.#fail(new Error(`an answer of status ${status}`))
    this.#histogram.recordValue(Math.max(1, Math.round((performance.now() - connection.due) * 1000)))
    this.#idle.push(connection)
  }

  #fail(error: Error): void {
    this.#failure ??= error
  }
}

function newHistogram(): Histogram {
  return build({ highestTrackableValue: microsecondsMax, numberOfSignificantValueDigits: 3 })
}

const loads = new Map<string, Load>()

async function work(job: LoadJob): Promise<LoadResult | undefined> {
  if (job.kind === 'run') return loads.get(job.run.target)!.run(job.run)
  if (job.kind === 'close') loads.delete(job.target)
  else loads.set(job.target.name, new Load(job.target))
  return undefined
}

process.on('message', (job: LoadJob) => {
  const reply = (message: LoadReply) => void process.send!(message)
  work(job).then(
    (result) => reply({ kind: 'done', ...(result === undefined ? {} : { result }) }),
    (error: Error) => reply({ kind: 'failed', error: error.message }),
  )
})
process.once('disconnect', () => process.exit()) // whoever started it has ended
