import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';

import { escapeHidden } from '../hub/invisible';
import { JsonText } from '../hub/json';
import { HexView } from './hexview';
import { useTranslation, useUniqueId } from './hooks';
import type { IPayload } from './model';
import { bytesOf, bytesText } from './payload';

/** How many members of one object are shown. */
const MAX_CHILDREN = 200;

/** How many characters of one value are shown. */
const MAX_VALUE = 5_000;

/** How deep a tree is open at first. */
const OPEN_DEPTH = 2;

/** A line of the tree. */
interface ILine {
  readonly path: string;
  readonly depth: number;
  readonly key: string | null;
  readonly node: JsonText;
  readonly value: unknown;
  /** Null: it has nothing to unfold. */
  readonly open: boolean | null;
  /** The number of members; null: it is a plain value. */
  readonly count: number | null;
}

/** Data as a tree: numbers with the digits that were sent, keys in the order in which they were sent. */
export function JsonTree({ payload }: { payload: IPayload }): JSX.Element {
  const trans = useTranslation();
  const id = useUniqueId();
  const [changed, setChanged] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [active, setActive] = useState('$');
  const lines = useMemo(() => unfold(payload, changed), [payload, changed]);
  const place = Math.max(lines.findIndex(line => line.path === active), 0); // prettier-ignore
  const tree = useRef<HTMLDivElement>(null);
  const fold = (line: ILine, open: boolean): void => {
    setChanged(new Map(changed).set(line.path, open));
  };
  const go = (index: number): void => {
    const line = lines[Math.max(0, Math.min(index, lines.length - 1))];
    if (line) {
      setActive(line.path);
      tree.current?.children[lines.indexOf(line)]?.scrollIntoView({ block: 'nearest' });
    }
  };
  return (
    <div
      ref={tree}
      className="jp-RtmsgTree"
      role="tree"
      tabIndex={0}
      aria-label={trans.__('Data')}
      aria-activedescendant={`${id}-${place}`}
      onKeyDown={event => {
        onTreeKey(event, { lines, place, go, fold });
      }}
    >
      {lines.map((line, index) => (
        <TreeLine
          key={line.path}
          id={`${id}-${index}`}
          line={line}
          active={index === place}
          onPress={() => {
            setActive(line.path);
            if (line.open !== null) {
              fold(line, !line.open);
            }
          }}
        />
      ))}
    </div>
  );
}

interface ITreeKeys {
  lines: readonly ILine[];
  place: number;
  go: (index: number) => void;
  fold: (line: ILine, open: boolean) => void;
}

function onTreeKey(event: KeyboardEvent, { lines, place, go, fold }: ITreeKeys): void {
  const line = lines[place];
  const actions: Record<string, () => void> = {
    ArrowUp: () => { go(place - 1); },
    ArrowDown: () => { go(place + 1); },
    Home: () => { go(0); },
    End: () => { go(lines.length - 1); },
    ArrowRight: () => {
      if (line?.open === false) {
        fold(line, true);
      } else {
        go(place + 1);
      }
    },
    ArrowLeft: () => {
      if (line?.open === true) {
        fold(line, false);
      } else {
        go(lines.findIndex(other => line?.path.startsWith(`${other.path}.`) && other.depth === line.depth - 1));
      }
    }
  }; // prettier-ignore
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}

interface ITreeLineProps {
  id: string;
  line: ILine;
  active: boolean;
  onPress: () => void;
}

function TreeLine({ id, line, active, onPress }: ITreeLineProps): JSX.Element {
  const { key, open, depth } = line;
  const bytes = open === true ? bytesOf(line.value) : null;
  return (
    <div
      id={id}
      role="treeitem"
      className="jp-RtmsgTree-line"
      aria-level={depth + 1}
      aria-expanded={open ?? undefined}
      aria-selected={active}
      data-active={String(active)}
      style={{ paddingLeft: `${depth * 14 + 4}px` }}
      onClick={onPress}
    >
      <span className="jp-RtmsgTree-mark" aria-hidden="true">
        {open === null ? '' : open ? '▾' : '▸'}
      </span>
      {key !== null && (
        <>
          <bdi className="jp-RtmsgTree-key">{escapeHidden(key)}</bdi>
          {': '}
        </>
      )}
      <bdi className="jp-RtmsgTree-value" data-kind={line.node.kind}>
        {valueText(line)}
      </bdi>
      {bytes && <HexView bytes={bytes} />}
    </div>
  );
}

function valueText({ node, value, count }: ILine): string {
  const bytes = bytesOf(value);
  if (bytes) {
    return bytesText(bytes.byteLength);
  }
  if (count !== null) {
    return node.kind === 'object' ? `{…} ${count}` : `[…] ${count}`;
  }
  const text = escapeHidden(node.text.slice(0, MAX_VALUE));
  return node.text.length > MAX_VALUE ? `${text}… (${node.text.length.toLocaleString()})` : text;
}

/** Return the lines of a tree, of which some were folded or unfolded. */
function unfold({ json, value }: IPayload, changed: ReadonlyMap<string, boolean>): ILine[] {
  const lines: ILine[] = [];
  const visit = (node: JsonText, part: unknown, key: string | null, path: string, depth: number): void => {
    const isBytes = bytesOf(part) !== null;
    const isContainer = !isBytes && (node.kind === 'object' || node.kind === 'array');
    const children = isContainer ? node.children() : [];
    const canOpen = isBytes || children.length > 0;
    const open = canOpen ? (changed.get(path) ?? (!isBytes && depth < OPEN_DEPTH)) : null;
    lines.push({ path, depth, key, node, value: part, open, count: isContainer ? children.length : null });
    if (open && isContainer) {
      children.slice(0, MAX_CHILDREN).forEach(child => {
        const below = (part as Record<string, unknown> | null)?.[child.key];
        visit(child.value, below, child.key, `${path}.${child.key}`, depth + 1);
      });
      if (children.length > MAX_CHILDREN) {
        const more = new JsonText(`"… ${children.length - MAX_CHILDREN}"`);
        lines.push({
          path: `${path}.…`,
          depth: depth + 1,
          key: null,
          node: more,
          value: null,
          open: null,
          count: null
        });
      }
    }
  };
  visit(new JsonText(json), value, null, '$', 0);
  return lines;
}
