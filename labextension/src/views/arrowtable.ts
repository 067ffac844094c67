import { tableFromIPC } from '@uwdata/flechette';

/** How many rows and columns are shown. */
const MAX_ROWS = 50;
const MAX_COLUMNS = 50;

/** The beginning of a table, as text. */
export interface ITableCells {
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Return the beginning of an Arrow table.
 *
 * @throws Error when the bytes are no Arrow stream
 */
export function tableCells(bytes: Uint8Array): ITableCells {
  const table = tableFromIPC(bytes, { useBigInt: true, useDate: true });
  const names = table.names.slice(0, MAX_COLUMNS).map(String);
  const columns = names.map((_, index) => table.getChildAt(index));
  const rows = Array.from({ length: Math.min(table.numRows, MAX_ROWS) }, (_, row) =>
    columns.map(column => cellText(column.at(row)))
  );
  return { names, rows };
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? '' : value.toISOString();
  }
  if (typeof value === 'object') {
    return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));
  }
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- objects were handled above
  return String(value).slice(0, 500);
}
