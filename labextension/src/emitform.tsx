import type { TranslationBundle } from '@jupyterlab/translation';
import React, { useId, useState } from 'react';

import type { IRoom } from './tokens';

interface IEmitFormProps {
  room: IRoom;
  connected: boolean;
  trans: TranslationBundle;
}

interface IOutcome {
  ok: boolean;
  text: string;
}

/** Emit an event to the room: a name and data as JSON, checked while it is typed. */
export function EmitForm({ room, connected, trans }: IEmitFormProps): React.JSX.Element {
  const [event, setEvent] = useState('');
  const [data, setData] = useState('');
  const [outcome, setOutcome] = useState<IOutcome | null>(null);
  const parsed = parse(data);
  const problem = parsed.error === null ? null : trans.__('Not JSON: %1', parsed.error);
  const ready = connected && event.trim() !== '' && problem === null;
  const emit = (): void => {
    if (ready) {
      void publish(room, event.trim(), parsed.value, trans).then(setOutcome);
    }
  };
  return (
    <form
      className="jp-Rtmsg-emit"
      aria-label={trans.__('Emit an event')}
      onSubmit={submit => {
        submit.preventDefault();
        emit();
      }}
    >
      <EventField value={event} onChange={setEvent} label={trans.__('Event')} />
      <DataField value={data} onChange={setData} onEmit={emit} label={trans.__('Data (JSON)')} problem={problem} />
      <div className="jp-Rtmsg-emitFoot">
        <Outcome outcome={problem === null ? outcome : null} />
        <button type="submit" className="jp-mod-styled jp-mod-accept jp-Rtmsg-button" disabled={!ready}>
          {trans.__('Emit')}
        </button>
      </div>
    </form>
  );
}

function Outcome({ outcome }: { outcome: IOutcome | null }): React.JSX.Element {
  const role = outcome?.ok === false ? 'alert' : 'status';
  return (
    <span role={role} className={role === 'alert' ? 'jp-Rtmsg-error' : 'jp-Rtmsg-outcome'}>
      {outcome?.text}
    </span>
  );
}

interface IFieldProps {
  value: string;
  label: string;
  onChange: (value: string) => void;
}

function EventField({ value, label, onChange }: IFieldProps): React.JSX.Element {
  return (
    <label>
      {label}
      <input
        className="jp-mod-styled"
        value={value}
        onChange={change => {
          onChange(change.target.value);
        }}
      />
    </label>
  );
}

function DataField(props: IFieldProps & { problem: string | null; onEmit: () => void }): React.JSX.Element {
  const problemId = useId();
  return (
    <>
      <label>
        {props.label}
        <textarea
          className="jp-mod-styled"
          rows={2}
          spellCheck={false}
          value={props.value}
          aria-invalid={props.problem !== null}
          aria-describedby={problemId}
          onChange={change => {
            props.onChange(change.target.value);
          }}
          onKeyDown={key => {
            if (key.key === 'Enter' && (key.ctrlKey || key.metaKey)) {
              key.preventDefault();
              props.onEmit();
            }
          }}
        />
      </label>
      <span id={problemId} role="alert" className="jp-Rtmsg-error">
        {props.problem}
      </span>
    </>
  );
}

/** No text means no data. */
function parse(text: string): { value?: unknown; error: string | null } {
  try {
    return text.trim() ? { value: JSON.parse(text) as unknown, error: null } : { error: null };
  } catch (error) {
    return { error: (error as SyntaxError).message };
  }
}

async function publish(room: IRoom, event: string, data: unknown, trans: TranslationBundle): Promise<IOutcome> {
  try {
    return { ok: true, text: trans.__('Stored as number %1', await room.publish(event, data)) };
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) };
  }
}
