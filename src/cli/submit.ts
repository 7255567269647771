// Commands that change answers: a control record into the log, applied here when nobody writes, or by the one who does.
import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlRecord } from '../core/event.ts'
import { openLog, openProfiler, openReader, type Place, type Profiler, tryOpenProfiler } from '../profiler.ts'
import { holderOf, tryWriterLock } from '../store/lock.ts'
import type { StoreReader } from '../store/port.ts'

const pollMs = 50

/**
 * Appends `control` and waits until it is applied and `done` holds. `by` says who applied it.
 * With a running writer that makes no progress this waits on, and says so on stderr.
 */
export async function submit(
  place: Place & { role: string },
  control: ControlRecord,
  done: (store: StoreReader) => boolean = () => true,
): Promise<{ by: string }> {
  const profiler = tryOpenProfiler(place)
  if (profiler !== undefined) {
    profiler.log.appendControl(control)
    return applyHere(profiler)
  }
  const by = holderOf(place.dir)
  let orphaned = false
  const log = openLog(place)
  const store = openReader(place)
  try {
    const { next } = log.appendControl(control)
    await log.flushed()
    process.stderr.write(`handed to ${by}; waiting until it is applied\n`)
    while (store.watermark(log.name) < next || !done(store)) {
      await sleep(pollMs)
      const lock = tryWriterLock(place.dir, place.role)
      lock?.release()
      if (lock === undefined) continue
      orphaned = true // that writer ended before it came to it
      break
    }
  } finally {
    await log.close()
    await store.close()
  }
  return orphaned ? applyHere(openProfiler(place)) : { by }
}

async function applyHere(profiler: Profiler): Promise<{ by: string }> {
  await using own = profiler
  await own.log.flushed()
  await own.consumer.drain()
  await own.consumer.checkpoint()
  return { by: 'this command' }
}
