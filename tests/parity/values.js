// Values on their way through JSON: bytes, sets, maps, undefined and errors have a form that Python's side shares.
function seal(value) {
  if (value === undefined) return null;
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof ArrayBuffer) return seal(Buffer.from(value));
  if (value instanceof Set) return [...value].map(seal).sort();
  if (value instanceof Error) return { error: value.message, ...(value.data === undefined ? {} : { data: seal(value.data) }) };
  if (Array.isArray(value)) return value.map(seal);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, seal(item)]));
  }
  return value;
}

function open(value) {
  if (Array.isArray(value)) return value.map(open);
  if (value && typeof value === 'object') {
    if (Object.keys(value).join() === '$bytes') return Buffer.from(value.$bytes, 'base64');
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, open(item)]));
  }
  return value;
}

// A value as a line of JSON: newer Nodes' readline ends a line at U+2028 and U+2029 too, which JSON leaves as they are.
const line = value =>
  JSON.stringify(value).replace(/[\u2028\u2029]/g, one => `\\u${one.charCodeAt(0).toString(16)}`) + '\n';

module.exports = { seal, open, line };
