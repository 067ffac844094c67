import type { JSX, RefObject } from 'preact';
import { useState } from 'preact/hooks';

import { filterFault, frequent, type IFilter, senderText } from './filter';
import { useTranslation, useUniqueId } from './hooks';
import type { Row } from './model';

interface IFilterBarProps {
  rows: readonly Row[];
  filter: IFilter;
  onChange: (filter: IFilter) => void;
  /** The field for the text. */
  field: RefObject<HTMLInputElement | null>;
  onLeave: () => void;
}

/** Fields that choose which events are shown: by name, by sender, and by a text or /regular expression/. */
export function FilterBar({ rows, filter, onChange, field, onLeave }: IFilterBarProps): JSX.Element {
  const trans = useTranslation();
  const faultId = useUniqueId();
  const fault = filterFault(filter);
  return (
    <div
      className="jp-RtmsgFilter"
      role="search"
      aria-label={trans.__('Filter events')}
      onKeyDown={key => {
        key.stopPropagation();
        if (key.key === 'Escape') {
          onLeave();
        }
      }}
    >
      <Choice
        label={trans.__('Event name')}
        all={trans.__('All events')}
        value={filter.event}
        names={() => frequent(rows, row => row.name)}
        onChange={event => {
          onChange({ ...filter, event });
        }}
      />
      <Choice
        label={trans.__('Sender')}
        all={trans.__('From anybody')}
        value={filter.sender}
        names={() => frequent(rows, senderText)}
        onChange={sender => {
          onChange({ ...filter, sender });
        }}
      />
      <input
        ref={field}
        className="jp-RtmsgRoomView-input"
        aria-label={trans.__('Text or /regular expression/')}
        placeholder={trans.__('text or /regex/')}
        spellcheck={false}
        value={filter.text}
        aria-invalid={fault !== null}
        aria-describedby={faultId}
        onInput={({ currentTarget }) => {
          onChange({ ...filter, text: currentTarget.value });
        }}
      />
      <span id={faultId} role="alert" className="jp-RtmsgRoomView-error">
        {fault}
      </span>
    </div>
  );
}

interface IChoiceProps {
  label: string;
  all: string;
  value: string;
  /** Called when the names are to be chosen from: they are not counted before. */
  names: () => string[];
  onChange: (name: string) => void;
}

function Choice({ label, all, value, names, onChange }: IChoiceProps): JSX.Element {
  const [known, setKnown] = useState<readonly string[]>(names);
  const count = (): void => {
    setKnown(names());
  };
  return (
    <select
      className="jp-RtmsgRoomView-input"
      aria-label={label}
      title={label}
      value={value}
      onFocus={count}
      onMouseDown={count}
      onChange={({ currentTarget }) => {
        onChange(currentTarget.value);
      }}
    >
      <option value="">{all}</option>
      {value !== '' && !known.includes(value) && <option value={value}>{value}</option>}
      {known.map(name => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}
