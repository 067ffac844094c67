import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';

import { arrayCells } from './ndarray';
import type { ITableCells } from './arrowtable';
import { useTranslation } from './hooks';
import { imageSize } from './imagesize';
import type { IPayload } from './model';
import { describe, type ITyped, type IUnpacked, part, typed, unpack } from './typed';

/** How many values of an event are shown, and how many parts of it are searched for them. */
const MAX_SHOWN = 4;
const MAX_SEARCHED = 1_000;

/** The most pixels of an image that is shown. */
const MAX_PIXELS = 50_000_000;

const SHOWN: ReadonlySet<string> = new Set(['ndarray', 'table', 'image', 'display']);

/** Whether an event has something that can be shown better than as JSON. */
export function hasPreview(payload: IPayload): boolean {
  return findTyped(unpack(payload).value).length > 0;
}

/** The tables, arrays, images and figures of an event. */
export function Preview({ payload }: { payload: IPayload }): JSX.Element {
  const unpacked = useMemo(() => unpack(payload), [payload]);
  return (
    <>
      {findTyped(unpacked.value).map((value, index) => (
        <figure key={index} className="jp-RtmsgPreview">
          <figcaption>{describe(value)}</figcaption>
          <Value value={value} buffers={unpacked.buffers} />
        </figure>
      ))}
    </>
  );
}

interface IValueProps {
  value: ITyped;
  buffers: IUnpacked['buffers'];
}

function Value({ value, buffers }: IValueProps): JSX.Element {
  switch (value.$type) {
    case 'ndarray':
      return <ArrayPreview value={value} bytes={part(value['data'], buffers)} />;
    case 'table':
      return <TablePreview bytes={part(value['arrow'], buffers)} />;
    case 'image':
      return <ImagePreview mime="image/png" bytes={part(value['data'], buffers)} label={describe(value)} />;
    default:
      return <DisplayPreview value={value} buffers={buffers} />;
  }
}

function Unreadable(): JSX.Element {
  return <p role="note">{useTranslation().__('This cannot be shown here; its fields are under Data.')}</p>;
}

function ArrayPreview({ value, bytes }: { value: ITyped; bytes: Uint8Array | null }): JSX.Element {
  const cells = useMemo(() => bytes && arrayCells(value, bytes), [value, bytes]);
  return cells ? <Table names={[]} rows={cells.rows} more={cells.more} /> : <Unreadable />;
}

function TablePreview({ bytes }: { bytes: Uint8Array | null }): JSX.Element {
  const trans = useTranslation();
  const [cells, setCells] = useState<ITableCells | 'failed' | null>(bytes ? null : 'failed');
  const start = bytes?.byteOffset;
  useEffect(() => {
    let isCurrent = true;
    if (bytes) {
      // What reads Arrow is loaded when the first table is shown.
      void import('./arrowtable')
        .then(({ tableCells }) => tableCells(bytes))
        .catch(() => 'failed' as const)
        .then(found => {
          if (isCurrent) {
            setCells(found);
          }
        });
    }
    return () => {
      isCurrent = false;
    };
  }, [bytes?.buffer, start]);
  if (cells === 'failed') {
    return <Unreadable />;
  }
  return cells ? <Table {...cells} more={false} /> : <p role="note">{trans.__('Loading…')}</p>;
}

function Table({ names, rows, more }: ITableCells & { more: boolean }): JSX.Element {
  const trans = useTranslation();
  return (
    <>
      <table className="jp-RtmsgPreview-table">
        {names.length > 0 && (
          <thead>
            <tr>
              {names.map((name, index) => (
                <th key={index} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} title={cell}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more && <p role="note">{trans.__('Only the beginning is shown.')}</p>}
    </>
  );
}

function ImagePreview({ mime, bytes, label }: { mime: string; bytes: Uint8Array | null; label: string }): JSX.Element {
  const [url, setUrl] = useState<string | null>(null);
  const size = bytes && imageSize(bytes);
  const isShown = bytes !== null && size !== null && size.width * size.height <= MAX_PIXELS;
  const start = bytes?.byteOffset;
  useEffect(() => {
    if (!isShown) {
      return undefined;
    }
    const made = URL.createObjectURL(new Blob([bytes], { type: mime }));
    setUrl(made);
    return () => {
      URL.revokeObjectURL(made);
    };
  }, [isShown, bytes?.buffer, start, mime]);
  if (!isShown) {
    return <Unreadable />;
  }
  return url === null ? <></> : <img src={url} alt={label} />;
}

function DisplayPreview({ value, buffers }: IValueProps): JSX.Element {
  const bundle = value['bundle'];
  const content = typeof bundle === 'object' && bundle !== null ? (bundle as Record<string, unknown>) : {};
  const mime = ['image/png', 'image/jpeg'].find(name => part(content[name], buffers) !== null);
  if (mime) {
    return <ImagePreview mime={mime} bytes={part(content[mime], buffers)} label={describe(value)} />;
  }
  const markup = content['text/html'] ?? content['image/svg+xml'];
  if (typeof markup === 'string') {
    return <Sandbox markup={markup} label={describe(value)} />;
  }
  return typeof content['text/plain'] === 'string' ? <pre>{content['text/plain']}</pre> : <Unreadable />;
}

/** HTML or SVG of somebody else: a frame without scripts, without an origin, and without requests to other servers. */
function Sandbox({ markup, label }: { markup: string; label: string }): JSX.Element {
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">`;
  return <iframe sandbox="" referrerpolicy="no-referrer" title={label} srcDoc={policy + markup} />;
}

/** Return the values of an event that can be shown, in their order. */
function findTyped(root: unknown): ITyped[] {
  const found: ITyped[] = [];
  let searched = 0;
  const visit = (value: unknown): void => {
    searched += 1;
    if (typeof value !== 'object' || value === null || searched > MAX_SEARCHED || found.length >= MAX_SHOWN) {
      return;
    }
    const special = typed(value);
    if (special && SHOWN.has(special.$type)) {
      found.push(special);
    } else if (!(value instanceof ArrayBuffer) && !ArrayBuffer.isView(value)) {
      Object.values(value).forEach(visit);
    }
  };
  visit(root);
  return found;
}
