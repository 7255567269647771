// The thread that commits: takes the changes of one transaction after another and answers each once it is on disk.
import { parentPort, workerData } from 'node:worker_threads'
import { closeLmdb, openLmdb, transact } from '../../lmdb/open.ts'
import {
  applyChanges,
  type CommitReply,
  type CommitThreadInput,
  type PackedChanges,
  unpack,
} from './commit.ts'

const env = openLmdb(workerData as CommitThreadInput)
const tables = new Map()

function reply(message: CommitReply): void {
  parentPort!.postMessage(message)
}

parentPort!.on('message', async (message: PackedChanges | 'close') => {
  if (message === 'close') {
    parentPort!.close()
    await closeLmdb(env)
    return
  }
  try {
    transact(env, () => applyChanges(env, tables, unpack(message)))
    reply({ kind: 'committed' })
  } catch (error) {
    const { message: text, code } = error as Error & { code?: unknown }
    reply({ kind: 'failed', message: text, code })
  }
})

reply({ kind: 'ready' })
