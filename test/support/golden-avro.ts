// Avro bodies whose bytes must never change (written so by another implementation of Avro too), with what they say.
import { readFileSync } from 'node:fs'
import type { PersonaAnswerEvent } from '../../src/codec/change-avro.ts'
import type { ChangeEvent } from '../../src/codec/change-event.ts'

type Golden<T> = { readonly value: T; readonly hex: string }

export const avroGolden = JSON.parse(
  readFileSync(new URL('../../../test/golden/avro-values.json', import.meta.url), 'utf8'),
) as {
  readonly purchase_event: Golden<Readonly<Record<string, string | number | null>> & { readonly ts: number }>
  readonly persona_change: Golden<ChangeEvent>
  readonly persona_answer: Golden<PersonaAnswerEvent>
}
