// Writes schemas/openapi.json as the API generates it: `npm run openapi`.
import { writeFileSync } from 'node:fs'
import { openApiDocument } from '../src/http/openapi.ts'

writeFileSync(
  new URL('../../schemas/openapi.json', import.meta.url),
  `${JSON.stringify(openApiDocument(), undefined, 2)}\n`,
)
