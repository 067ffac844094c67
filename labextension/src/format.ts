/** How much of an event's data is shown. */
const MAX_TEXT = 2_000;

/** An event's data as text for people: JSON, bytes by their size, cut where it gets long. */
export function dataText(data: unknown): string {
  const known = (_key: string, value: unknown): unknown => (isBytes(value) ? `<${value.byteLength} bytes>` : value);
  // Indented and put on one line again, it has the spaces at which a narrow panel can break it.
  const lines = JSON.stringify(data, known, 1);
  const text = lines
    .replace(/([[{])\n */g, '$1')
    .replace(/\n *([\]}])/g, '$1')
    .replace(/\n */g, ' ');
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
}

/** A time of the hub, in ms since 1970, as the time of day. */
export function timeText(ts: number): string {
  return new Date(ts).toLocaleTimeString(undefined, { hour12: false });
}

function isBytes(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}
