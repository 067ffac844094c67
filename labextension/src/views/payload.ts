/* Data of events as text on one line: JSON as it was sent, bytes and `$type` values as chips. */

import { JsonText, oneLine } from '../hub/json';
import type { IPayload } from './model';
import { type ITyped, describe, typed, unpack } from './typed';

/** How many characters of the data a row shows at most. */
const MAX_LINE = 300;

/** How much of the JSON is searched for `$type` values. */
const MAX_SEARCHED = 20_000;

/** Return data as text on one line. */
export function lineText(payload: IPayload): string {
  const { json, value } = unpack(payload);
  if (!payload.json.slice(0, MAX_SEARCHED).includes('"$type"')) {
    const sizes = attachments(payload);
    return oneLine(payload.json, MAX_LINE, num => bytesText(sizes[num]?.byteLength));
  }
  const line = new Line();
  write(new JsonText(json), value, line);
  return line.text.length > MAX_LINE ? `${line.text.slice(0, MAX_LINE)}…` : line.text;
}

/** Return a number of bytes as a chip. */
export function bytesText(size: number | undefined): string {
  return `‹${size === undefined ? '?' : size.toLocaleString()} bytes›`;
}

/** Return a value as bytes; null: it is something else. */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof ArrayBuffer) {
    return new Uint8Array(value);
  }
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null;
}

/** Return the bytes in data, in the order of their placeholders. */
export function attachments({ json, value }: IPayload): Uint8Array[] {
  const found: Uint8Array[] = [];
  const visit = (node: JsonText, part: unknown): void => {
    const bytes = bytesOf(part);
    const num = bytes && node.attachment;
    if (bytes && num !== null) {
      found[num] = bytes;
    } else if (typeof part === 'object' && part !== null) {
      node.children().forEach(child => {
        visit(child.value, (part as Record<string, unknown>)[child.key]);
      });
    }
  };
  if (json.includes('"_placeholder"')) {
    visit(new JsonText(json), value);
  }
  return found;
}

/** A text that grows until it is long enough. */
class Line {
  text = '';

  get isFull(): boolean {
    return this.text.length > MAX_LINE;
  }

  add(text: string): void {
    this.text += text;
  }
}

function write(node: JsonText, value: unknown, line: Line): void {
  const special: ITyped | null = typed(value);
  const bytes = bytesOf(value);
  if (special || bytes) {
    line.add(special ? describe(special) : bytesText(bytes?.byteLength));
    return;
  }
  const isObject = node.kind === 'object';
  if (!isObject && node.kind !== 'array') {
    line.add(node.text.slice(0, MAX_LINE + 1));
    return;
  }
  line.add(isObject ? '{' : '[');
  let separator = '';
  for (const child of node.children()) {
    if (line.isFull) {
      return;
    }
    line.add(separator + (isObject ? `${JSON.stringify(child.key)}: ` : ''));
    write(child.value, (value as Record<string, unknown> | null)?.[child.key], line);
    separator = ', ';
  }
  line.add(isObject ? '}' : ']');
}
