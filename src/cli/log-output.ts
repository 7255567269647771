// Where log lines go: to stderr, without ever waiting for whoever reads it. A service neither stops nor fails to end because
// its log is not read.
import sonicBoom from 'sonic-boom'

/** Bytes that wait for a reader that stands still, past which lines are dropped. */
const waitingBytesMax = 16 << 20
/** How long an end waits for what is still to be written. */
const endMsMax = 1_000

export type LogOutput = {
  write(line: string): void
  /** Resolves when all is written, nobody reads any more, or whoever does is too slow. */
  end(): Promise<void>
}

/** `dropped` is called when a reader that stood still goes on, with how many lines it missed. */
export function openLogOutput(fd: number, dropped: (lines: number) => void): LogOutput {
  const out = new sonicBoom.SonicBoom({ fd, maxLength: waitingBytesMax })
  let over = false
  let missed = 0
  out.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') over = true // nobody reads: whatever else is logged has nowhere to go
  }) // of a full disk, say, what waits is tried again with the next line
  out.on('drop', () => missed++)
  out.on('drain', () => {
    if (missed === 0) return
    const lines = missed
    missed = 0
    dropped(lines)
  })
  return {
    write(line) {
      if (!over) out.write(line)
    },
    async end() {
      if (over) return
      over = true
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, endMsMax)
        const done = () => {
          clearTimeout(late)
          resolve()
        }
        out.once('error', done).once('finish', done)
        out.end()
      })
    },
  }
}
