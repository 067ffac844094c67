/* Values that JSON does not have: objects with the key `$type`, whose buffers lie in one attachment. */

import { JsonText } from '../hub/json';
import type { IPayload } from './model';

/** A value with a `$type` that is known here. */
export type ITyped = Readonly<Record<string, unknown>> & { readonly $type: string };

/** The types, and what is shown of one on a line. */
const TYPES: Readonly<Record<string, (value: ITyped) => string>> = {
  ndarray: value => `▦ ${dtypeName(value['dtype'])}[${list(value['shape']).join(' × ')}]`,
  scalar: value => `▦ ${dtypeName(value['dtype'])}`,
  table: value => `⊞ ${className(value)} ${count(value['rows'])} × ${count(value['width'])}`,
  image: value => `▨ ${mimeName(value)} ${count(value['width'])} × ${count(value['height'])}`,
  display: value => `▨ ${className(value)}`,
  datetime: plain,
  date: plain,
  time: plain,
  timedelta: value => `${text(value['days'])} d ${text(value['seconds'])} s ${text(value['microseconds'])} µs`,
  decimal: plain,
  uuid: plain,
  path: plain,
  enum: value => `${className(value)}.${text(value['name'])}`,
  object: value => `${className(value)}(${shortJson(value['data'])})`
};

/** Return a value as one with a known type; null: it is none. */
export function typed(value: unknown): ITyped | null {
  if (typeof value !== 'object' || value === null || !('$type' in value)) {
    return null;
  }
  const name = value.$type;
  return typeof name === 'string' && Object.prototype.hasOwnProperty.call(TYPES, name) ? (value as ITyped) : null;
}

/** Return what is shown of a typed value on a line. */
export function describe(value: ITyped): string {
  return TYPES[value.$type]?.(value) ?? value.$type;
}

/** The data of an event, and the buffers that its typed values refer to. */
export interface IUnpacked extends IPayload {
  readonly buffers: ArrayBuffer | ArrayBufferView | null;
}

/** Return data without the envelope that data with buffers have. */
export function unpack(payload: IPayload): IUnpacked {
  const outer = payload.value as { $type?: unknown; value?: unknown; buffers?: unknown } | null;
  const isPacked = typeof outer === 'object' && outer?.$type === 'packed';
  const inner = isPacked ? new JsonText(payload.json).child('value') : undefined;
  if (!isPacked || !inner || !isBuffer(outer.buffers)) {
    return { ...payload, buffers: null };
  }
  return { json: inner.text, value: outer.value, buffers: outer.buffers };
}

/** Return the part of the buffers that `[offset, length]` names; null: there is no such part. */
export function part(place: unknown, buffers: IUnpacked['buffers']): Uint8Array | null {
  const [offset, length] = list(place);
  if (!buffers || !isCount(offset) || !isCount(length) || offset + length > buffers.byteLength) {
    return null;
  }
  const [buffer, start] = ArrayBuffer.isView(buffers) ? [buffers.buffer, buffers.byteOffset] : [buffers, 0];
  return new Uint8Array(buffer, start + offset, length);
}

export function className(value: ITyped): string {
  return text(value['class']).split('.').pop() ?? '';
}

/** Return the name of a NumPy dtype for people: `<f8` is float64. */
export function dtypeName(dtype: unknown): string {
  if (typeof dtype !== 'string') {
    return 'record';
  }
  const [, kind, size] = /^[<>|=]?([a-zA-Z])(\d*)/.exec(dtype) ?? [];
  const names: Record<string, string> = { f: 'float', i: 'int', u: 'uint', c: 'complex' };
  const name = names[kind ?? ''];
  if (name) {
    return `${name}${8 * Number(size)}`;
  }
  return { b: 'bool', M: 'datetime', m: 'timedelta', U: 'str', S: 'bytes' }[kind ?? ''] ?? dtype.slice(0, 40);
}

function plain(value: ITyped): string {
  return text(value['value']);
}

function mimeName(value: ITyped): string {
  return (text(value['mime']).split('/').pop() ?? '').toUpperCase();
}

function shortJson(value: unknown): string {
  if (value === undefined) {
    return '?';
  }
  return JSON.stringify(value, (_key, part: unknown) => (isBuffer(part) ? '‹bytes›' : part)).slice(0, 200);
}

function isBuffer(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, 40) : [];
}

function count(value: unknown): string {
  return isCount(value) ? value.toLocaleString() : '?';
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 200) : '?';
}
