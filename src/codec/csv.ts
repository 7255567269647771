// CSV by RFC 4180, one record at a time: the log keeps the raw record, so that quarantine keeps its bytes.

/** The fields of one raw record (without its line end); undefined when a quoted field does not end or goes on. */
export function csvFields(record: string): string[] | undefined {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (record[at] !== '"') {
      const end = record.indexOf(',', at)
      fields.push(end < 0 ? record.slice(at) : record.slice(at, end))
      if (end < 0) return fields
      at = end + 1
      continue
    }
    let text = ''
    for (at++; ; at++) {
      const quote = record.indexOf('"', at)
      if (quote < 0) return undefined
      text += record.slice(at, quote)
      at = quote + 1
      if (record[at] !== '"') break
      text += '"'
    }
    fields.push(text)
    if (at === record.length) return fields
    if (record[at] !== ',') return undefined
    at++
  }
}

/** Does a record end within a quoted field, so that it goes on in the next line? A quote inside a plain field is text. */
export function opensQuote(bytes: Uint8Array): boolean {
  const record = Buffer.from(bytes).toString('latin1')
  for (let at = 0; ; ) {
    if (record[at] === '"') {
      for (at++; ; at += 2) {
        at = record.indexOf('"', at)
        if (at < 0) return true
        if (record[at + 1] !== '"') break
      }
    }
    at = record.indexOf(',', at)
    if (at < 0) return false
    at++
  }
}
