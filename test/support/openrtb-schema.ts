// JSON Schema of the Data and Segment objects, written from OpenRTB 2.6 (§3.2.21 Data, §3.2.22 Segment) and the community
// extension segtax: what a bidder's validator of user.data[] accepts.

const segment = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'ID of the data segment specific to the data provider' },
    name: { type: 'string', description: 'Name of the data segment specific to the data provider' },
    value: { type: 'string', description: 'String representation of the data segment value' },
    ext: { type: 'object' },
  },
  additionalProperties: false,
  minProperties: 1,
} as const

export const openRtbDataSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: {
    id: { type: 'string', description: 'Exchange-specific ID for the data provider' },
    name: { type: 'string', description: 'Exchange-specific name for the data provider' },
    segment: { type: 'array', items: segment },
    ext: {
      type: 'object',
      properties: { segtax: { type: 'integer', minimum: 1 } },
    },
  },
  additionalProperties: false,
} as const
