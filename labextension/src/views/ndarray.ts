import { dtypeName, type ITyped } from './typed';

type Reader = (view: DataView, at: number, little: boolean) => string;

/** The size in bytes of the items of a dtype, and what reads one. Larger or structured items are not shown. */
const READERS: Readonly<Record<string, readonly [number, Reader]>> = {
  f8: [8, (view, at, little) => floatText(view.getFloat64(at, little))],
  f4: [4, (view, at, little) => floatText(view.getFloat32(at, little))],
  i8: [8, (view, at, little) => view.getBigInt64(at, little).toString()],
  i4: [4, (view, at, little) => String(view.getInt32(at, little))],
  i2: [2, (view, at, little) => String(view.getInt16(at, little))],
  i1: [1, (view, at) => String(view.getInt8(at))],
  u8: [8, (view, at, little) => view.getBigUint64(at, little).toString()],
  u4: [4, (view, at, little) => String(view.getUint32(at, little))],
  u2: [2, (view, at, little) => String(view.getUint16(at, little))],
  u1: [1, (view, at) => String(view.getUint8(at))],
  b1: [1, (view, at) => (view.getUint8(at) ? 'True' : 'False')]
};

/** How many rows and columns of an array are shown. */
const MAX_SHOWN = 20;

/** The first rows and columns of an array, as text. */
export interface IArrayCells {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
  /** Whether there is more than that. */
  readonly more: boolean;
}

/** Return the beginning of an array; null: its items cannot be shown, or it is damaged. */
export function arrayCells(value: ITyped, bytes: Uint8Array): IArrayCells | null {
  const dtype = typeof value['dtype'] === 'string' ? value['dtype'] : '';
  const [itemSize, read] = READERS[dtype.slice(1)] ?? [0, null];
  const shape = shapeOf(value['shape']);
  if (!read || !shape || shape.reduce((size, axis) => size * axis, itemSize) !== bytes.byteLength) {
    return null;
  }
  const [height, width] = plane(shape);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFortran = value['order'] === 'F';
  // Of more than two axes the first plane of the last two is shown; in Fortran's order its items lie apart.
  const outer = shape.slice(0, -2).reduce((size, axis) => size * axis, 1);
  const place = (row: number, column: number): number =>
    isFortran ? outer * (row + column * height) : row * width + column;
  const cells = range(height).map(row =>
    range(width).map(column => read(view, itemSize * place(row, column), !dtype.startsWith('>')))
  );
  const more = height > MAX_SHOWN || width > MAX_SHOWN || outer > 1;
  return { title: `${dtypeName(dtype)} [${shape.join(' × ')}]`, rows: cells, more };
}

function plane(shape: readonly number[]): [number, number] {
  const [height, width] = shape.length < 2 ? [1, shape[0] ?? 1] : shape.slice(-2);
  return [height ?? 1, width ?? 1];
}

function range(count: number): number[] {
  return Array.from({ length: Math.min(count, MAX_SHOWN) }, (_, index) => index);
}

function shapeOf(shape: unknown): number[] | null {
  const isShape = Array.isArray(shape) && shape.every(axis => Number.isSafeInteger(axis) && (axis as number) >= 0);
  return isShape ? (shape as number[]) : null;
}

function floatText(value: number): string {
  if (Number.isNaN(value)) {
    return 'nan';
  }
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : value > 0 ? 'inf' : '-inf';
}
