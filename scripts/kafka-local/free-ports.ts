// Ports of the loopback that nobody listens on, below those that the system gives to clients.
import { createServer } from 'node:net'

/**
 * Ports that the system hands out (32768 and up) are of no use to a server that is killed and started again: meanwhile a
 * client may be given the port, even one that keeps asking for this very server and so connects to itself.
 */
const portMin = 12_000
const portsInAll = 18_000
/** Processes that start together have pids near each other: each begins at ports of its own. */
const portsPerProcess = 18
let tried = 0

export async function freePort(): Promise<number> {
  for (let n = 0; n < portsInAll; n++) {
    const port = portMin + ((process.pid * portsPerProcess + tried++) % portsInAll)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port from ${portMin} to ${portMin + portsInAll - 1}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}
