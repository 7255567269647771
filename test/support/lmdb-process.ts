// Run as a process on an LMDB environment. `commit`: a row after another until it is told to stop, then tells how many;
// `open N`: opens it N times, as readers do, on a busy machine. `read`: stays in the middle of reading.
// `ask`: opens it once it is told to.
import { Worker } from 'node:worker_threads'
import { closeLmdb, openLmdb, openNumbered, transact } from '../../src/lmdb/open.ts'

const [, , path, role, times] = process.argv
const options = { path: path!, mapSizeBytes: 1 << 30 }

async function open(): Promise<void> {
  // a thread that maps memory all the time, so that mapping the environment takes its time, too
  process.stdout.write('opening\n')
  const busy = new Worker('for (;;) Buffer.alloc(1 << 22)', { eval: true })
  for (let i = 0; i < Number(times); i++) await closeLmdb(openLmdb({ ...options, readOnly: true }))
  await busy.terminate()
}

async function commit(): Promise<void> {
  const env = openLmdb(options)
  const rows = openNumbered(env, 'rows')
  let stopped = false
  process.once('message', () => (stopped = true))
  process.send!('committing')
  let count = 0
  for (; !stopped; count++) {
    transact(env, () => {
      rows.put(count, Buffer.alloc(1))
    })
    await new Promise(setImmediate)
  }
  await closeLmdb(env)
  process.send!(count)
  process.disconnect()
}

async function read(): Promise<void> {
  const env = openLmdb({ ...options, readOnly: true })
  for (const _ of openNumbered(env, 'rows').getRange({ snapshot: true })) {
    process.send!('reading')
    await new Promise(() => setInterval(() => {}, 1000)) // until it is killed
  }
}

async function ask(): Promise<void> {
  process.send!('waiting')
  await new Promise((resolve) => process.once('message', resolve))
  await closeLmdb(openLmdb({ ...options, readOnly: true }))
  process.disconnect()
}

const roles: Record<string, () => Promise<void>> = { open, commit, read, ask }
await roles[role!]!()
