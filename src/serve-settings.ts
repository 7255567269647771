// What `serve` is told beside the data: who may ask, and what the segments of OpenRTB are. Checked before anything starts.
import { readFileSync } from 'node:fs'
import { FatalError, messageOf, UsageError } from './errors.ts'
import { type OpenRtbMapping, parseOpenRtbMapping } from './http/openrtb-mapping.ts'
import type { SecurityOptions } from './http/security.ts'
import { TokenSet } from './http/tokens.ts'
import type { Place } from './profiler.ts'

/** Tokens as the configuration asks for them. Throws UsageError, FatalError. */
export function securityOf({ dir, config }: Place): SecurityOptions {
  const { auth, host, rateLimit } = config
  const tokens = new TokenSet(dir, () => performance.now())
  const loopback = host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
  if (auth === 'off' && !loopback)
    throw new UsageError(
      `KINDRED_AUTH=off is for loopback: ${host} can be reached by others; leave it out, and make a token with \`kindred tokens add\``,
    )
  const always = auth === 'on' || (auth === 'auto' && !loopback)
  if (always && tokens.size === 0)
    throw new FatalError(
      `there is no token for the API in ${dir}: make one with \`kindred tokens add NAME --scopes lookup,ingest --data ${dir}\`${loopback ? '' : ', or listen on loopback'}`,
    )
  const required = () => always || (auth === 'auto' && tokens.size > 0)
  return {
    required,
    find: (authorization) => tokens.find(authorization),
    requestsPerSecond: rateLimit,
    now: () => performance.now(),
  }
}

/** The segments of a mapping file. Throws UsageError. */
export function mappingOf(path: string): OpenRtbMapping | undefined {
  if (path === '') return undefined
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`KINDRED_OPENRTB_MAPPING: ${messageOf(error)}`)
  }
  return parseOpenRtbMapping(text)
}
