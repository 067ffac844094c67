/** How many characters of an event's data are shown. */
const MAX_TEXT = 2_000;

/** Return an event's data as text for people: JSON, with bytes by their size, cut where it is long. */
export function dataText(data: unknown): string {
  const known = (_key: string, value: unknown): unknown => (isBytes(value) ? `<${value.byteLength} bytes>` : value);
  // JSON of several lines, put on one line, has the spaces at which a narrow panel can break it.
  const lines = JSON.stringify(data, known, 1);
  const text = lines
    .replace(/([[{])\n */g, '$1')
    .replace(/\n *([\]}])/g, '$1')
    .replace(/\n */g, ' ');
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
}

/** Return a time of the hub, in milliseconds since 1970, as the time of day. */
export function timeText(ts: number): string {
  return new Date(ts).toLocaleTimeString(undefined, { hour12: false });
}

function isBytes(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}
