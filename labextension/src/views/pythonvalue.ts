/* JSON as Python writes it, and the lines that stand for what is done with events. */

import { JsonText } from '../hub/json';
import type { IPayload } from './model';
import { bytesOf } from './payload';

const WORDS: Readonly<Record<string, string>> = { true: 'True', false: 'False', null: 'None' };

/** Return a text as a literal of Python. */
export function pythonText(text: string): string {
  // JSON's escapes are Python's, except that a lone half of a character needs no care here.
  return JSON.stringify(text).replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, hidden => {
    return `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Return data as an expression of Python. Bytes are written out. */
export function pythonValue({ json, value }: IPayload): string {
  return write(new JsonText(json), value);
}

/** Return the line that emits an event. Data without text are left out. */
export function emitLine(room: string, event: string, payload: IPayload | null): string {
  const data = payload === null || payload.json === 'null' ? '' : `, ${pythonValue(payload)}`;
  return `rt.connect().join(${pythonText(room)}).emit(${pythonText(event)}${data})`;
}

function write(node: JsonText, value: unknown): string {
  const bytes = bytesOf(value);
  if (bytes) {
    return pythonBytes(bytes);
  }
  const children = node.children();
  const parts = children.map(({ key, value: child }) => [
    key,
    write(child, (value as Record<string, unknown> | null)?.[key])
  ]);
  switch (node.kind) {
    case 'object':
      return `{${parts.map(([key = '', text]) => `${pythonText(key)}: ${text}`).join(', ')}}`;
    case 'array':
      return `[${parts.map(([, text]) => text).join(', ')}]`;
    case 'string':
      return pythonText(JSON.parse(node.text) as string);
    default:
      return WORDS[node.text] ?? node.text;
  }
}

function pythonBytes(bytes: Uint8Array): string {
  const parts = [...bytes].map(byte => {
    const isPlain = byte >= 32 && byte < 127 && byte !== 34 && byte !== 92;
    return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `b"${parts.join('')}"`;
}
