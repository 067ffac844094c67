import type { JSX } from 'preact';
import { useContext, useState } from 'preact/hooks';

import { eventActions, payloadOf } from './eventactions';
import { timeText } from './format';
import { Page, useTranslation } from './hooks';
import { JsonTree } from './jsontree';
import type { IEventRow, IOutcome, IRoomModel } from './model';
import { Preview, hasPreview } from './preview';

/** How much of the text is shown. */
const MAX_TEXT = 100_000;

interface IInspectorProps {
  room: IRoomModel;
  row: IEventRow;
  onClose: () => void;
}

type Tab = 'preview' | 'data' | 'text';

/** An event in full: a preview where there is one, its data as a tree and as text, and what can be done with it. */
export function Inspector({ room, row, onClose }: IInspectorProps): JSX.Element {
  const trans = useTranslation();
  const payload = payloadOf(row);
  const tabs: Tab[] =
    payload === null ? ['text'] : [...(hasPreview(payload) ? ['preview' as const] : []), 'data', 'text'];
  const [chosen, setChosen] = useState<Tab | null>(null);
  const tab = chosen !== null && tabs.includes(chosen) ? chosen : (tabs[0] ?? 'text');
  return (
    <section
      className="jp-RtmsgInspector"
      aria-label={trans.__('Event %1', row.name)}
      onKeyDown={key => {
        if (key.key === 'Escape') {
          key.stopPropagation();
          onClose();
        }
      }}
    >
      <div className="jp-RtmsgInspector-head">
        <bdi className="jp-RtmsgInspector-title">{titleOf(row, trans.__('volatile'))}</bdi>
        <button
          type="button"
          className="jp-RtmsgTool"
          aria-label={trans.__('Close')}
          title={trans.__('Esc')}
          onClick={onClose}
        >
          ✕
        </button>
      </div>
      {payload !== null && <Tabs tabs={tabs} tab={tab} onChoose={setChosen} />}
      <div className="jp-RtmsgInspector-body">
        {payload !== null && tab === 'preview' && <Preview payload={payload} />}
        {payload !== null && tab === 'data' && <JsonTree key={row.key} payload={payload} />}
        {tab === 'text' && <pre tabIndex={0}>{cut(payload?.json ?? row.data ?? trans.__('no data'))}</pre>}
      </div>
      <Actions room={room} row={row} />
    </section>
  );
}

function Tabs({ tabs, tab, onChoose }: { tabs: Tab[]; tab: Tab; onChoose: (tab: Tab) => void }): JSX.Element {
  const trans = useTranslation();
  const labels: Record<Tab, string> = { preview: trans.__('Preview'), data: trans.__('Data'), text: trans.__('Text') };
  return (
    <div className="jp-RtmsgInspector-tabs" role="group" aria-label={trans.__('Show as')}>
      {tabs.map(name => (
        <button
          key={name}
          type="button"
          className="jp-RtmsgTool"
          aria-pressed={name === tab}
          onClick={() => {
            onChoose(name);
          }}
        >
          {labels[name]}
        </button>
      ))}
    </div>
  );
}

function Actions({ room, row }: { room: IRoomModel; row: IEventRow }): JSX.Element {
  const trans = useTranslation();
  const page = useContext(Page);
  const [outcome, setOutcome] = useState<IOutcome | null>(null);
  const run = (work: Promise<IOutcome>): void => {
    setOutcome(null);
    void work
      .catch((error: unknown) => ({ ok: false, text: error instanceof Error ? error.message : String(error) }))
      .then(setOutcome);
  };
  return (
    <div className="jp-RtmsgInspector-actions" role="group" aria-label={trans.__('Event')}>
      {eventActions(room, row, page, trans).map(action => (
        <button
          key={action.id}
          type="button"
          className="jp-RtmsgTool"
          title={action.title.slice(0, 500)}
          onClick={() => {
            run(action.run());
          }}
        >
          {action.label}
        </button>
      ))}
      <span
        role={outcome?.ok === false ? 'alert' : 'status'}
        className="jp-RtmsgRoomView-outcome"
        data-ok={String(outcome?.ok !== false)}
      >
        {outcome?.text}
      </span>
    </div>
  );
}

function titleOf(row: IEventRow, volatile: string): string {
  const number = row.seq === null ? volatile : `#${row.number ?? row.seq}`;
  const sender = row.user ? `${row.sender} ${row.user}` : row.sender;
  const milliseconds = String(Math.floor(row.ts) % 1_000).padStart(3, '0');
  return `${number} ${row.name} · ${sender} · ${timeText(row.ts)}.${milliseconds}`;
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length.toLocaleString()} characters)` : text;
}
