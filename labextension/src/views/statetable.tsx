import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { timeText } from './format';
import { useChanges, useTranslation } from './hooks';
import { quoted } from './python';
import type { IStateItem, IStateModel } from './statemodel';

/** Above this number of values there is a field to filter them. */
const FILTERED_FROM = 8;
/** Characters of a value that are shown before it is opened. */
const SHORT = 160;

/** The state of a room: its values by key, and who set them when. */
export function StateTable({ state }: { state: IStateModel }): JSX.Element {
  const trans = useTranslation();
  useChanges(state);
  const [filter, setFilter] = useState('');
  const items = state.items ?? [];
  const wanted = filter.toLowerCase();
  const shown = items.filter(({ key }) => key.toLowerCase().includes(wanted));
  return (
    <section className="jp-RtmsgState" aria-label={trans.__('State of %1', state.name)}>
      <h4>{trans.__('State')}</h4>
      {state.problem !== null && (
        <p role="alert" className="jp-RtmsgQueue-problem">
          {state.problem}
        </p>
      )}
      {items.length >= FILTERED_FROM && <Filter value={filter} onChange={setFilter} />}
      <Hint state={state} shown={shown.length} />
      {shown.length > 0 && <Values items={shown} />}
      {state.unlisted > 0 && (
        <p className="jp-RtmsgQueue-hint">{trans.__('and %1 more: room.state', state.unlisted.toLocaleString())}</p>
      )}
    </section>
  );
}

function Filter({ value, onChange }: { value: string; onChange: (value: string) => void }): JSX.Element {
  const trans = useTranslation();
  return (
    <input
      type="search"
      className="jp-RtmsgState-filter"
      aria-label={trans.__('Filter by key')}
      placeholder={trans.__('Filter by key')}
      value={value}
      onInput={({ currentTarget }) => {
        onChange(currentTarget.value);
      }}
      onKeyDown={key => {
        // A notebook's shortcuts must not see the keys that are typed here.
        key.stopPropagation();
      }}
    />
  );
}

function Hint({ state, shown }: { state: IStateModel; shown: number }): JSX.Element | null {
  const trans = useTranslation();
  if (state.items === null) {
    return state.problem === null ? <p className="jp-RtmsgQueue-hint">{trans.__('Asking the hub…')}</p> : null;
  }
  if (state.items.length === 0) {
    return (
      <p className="jp-RtmsgQueue-hint">
        {trans.__('No values. A notebook sets one with')} <code>{`room.state.set(${quoted('lr')}, 0.01)`}</code>
      </p>
    );
  }
  return shown === 0 ? <p className="jp-RtmsgQueue-hint">{trans.__('No key contains this text.')}</p> : null;
}

function Values({ items }: { items: readonly IStateItem[] }): JSX.Element {
  const trans = useTranslation();
  return (
    <table className="jp-RtmsgState-table">
      <thead>
        <tr>
          <th scope="col">{trans.__('Key')}</th>
          <th scope="col">{trans.__('Value')}</th>
          <th scope="col">{trans.__('Set by')}</th>
          <th scope="col">{trans.__('When')}</th>
        </tr>
      </thead>
      <tbody>
        {items.map(item => (
          <tr key={item.key}>
            <th scope="row" title={`room.state[${quoted(item.key)}]`}>
              <bdi>{item.key}</bdi>
            </th>
            <td>
              <Value text={item.value} />
            </td>
            <td title={item.title}>
              <bdi>{item.who}</bdi>
            </td>
            <td>
              <time dateTime={new Date(item.ts).toISOString()} title={when(item)}>
                {timeText(item.ts)}
              </time>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Value({ text }: { text: string }): JSX.Element {
  if (text.length <= SHORT) {
    return <code>{text}</code>;
  }
  return (
    <details>
      <summary>
        <code>{`${text.slice(0, SHORT)}…`}</code>
      </summary>
      <code>{text}</code>
    </details>
  );
}

function when({ ts, seq }: IStateItem): string {
  return `${new Date(ts).toLocaleString()} · seq ${seq}`;
}
