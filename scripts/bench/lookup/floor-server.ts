// The floor: what the load generator and the sockets cost by themselves. A server that reads nothing of a request but where it
// ends, and answers with bytes that are ready.
import { createServer } from 'node:net'
import { startPeer } from './peer.ts'

const requestEnd = Buffer.from('\r\n\r\n')

startPeer(async (size) => {
  const body = 'x'.repeat(size)
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${size}\r\nconnection: keep-alive\r\n\r\n${body}`,
  )
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    // a request comes whole, and one at a time: the generator sends no other
    socket.on('data', (chunk) => {
      if (chunk.subarray(-requestEnd.length).equals(requestEnd)) socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server.address()
})
