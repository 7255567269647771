// A server that the benchmark starts beside Kindred's, in a process of its own: it is told the size of its answers and says
// where it listens.
import type { AddressInfo } from 'node:net'

/** `listen` starts the server, whose answers have bodies of `size` bytes. */
export function startPeer(listen: (size: number) => Promise<AddressInfo | string | null>): void {
  process.once('disconnect', () => process.exit()) // whoever started it has ended
  void listen(Number(process.argv[2])).then((address) => process.send!((address as AddressInfo).port))
}
