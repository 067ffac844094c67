import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { useTranslation } from './hooks';

/** How many bytes are shown at first, and more at each press of the button. */
const PAGE = 512;

/** Bytes a line has. */
const WIDTH = 8;

/** Bytes as hexadecimal numbers and as text. */
export function HexView({ bytes }: { bytes: Uint8Array }): JSX.Element {
  const trans = useTranslation();
  const [shown, setShown] = useState(PAGE);
  return (
    <div className="jp-RtmsgHex">
      <pre tabIndex={0} aria-label={trans.__('%1 bytes', bytes.length)}>
        {hexText(bytes.subarray(0, shown))}
      </pre>
      {shown < bytes.length && (
        <button
          type="button"
          className="jp-RtmsgTool"
          onClick={() => {
            setShown(4 * shown);
          }}
        >
          {trans.__('Show more of %1 bytes', bytes.length.toLocaleString())}
        </button>
      )}
    </div>
  );
}

/** Return lines with an offset, hexadecimal numbers, and the characters of ASCII. */
export function hexText(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += WIDTH) {
    const line = [...bytes.subarray(start, start + WIDTH)];
    const hex = line.map(byte => byte.toString(16).padStart(2, '0')).join(' ');
    const text = line.map(byte => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${start.toString(16).padStart(6, '0')}  ${hex.padEnd(3 * WIDTH - 1)}  ${text}`);
  }
  return lines.join('\n');
}
