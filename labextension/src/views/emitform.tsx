import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { useTranslation } from './hooks';
import type { IOutcome, IRoomModel } from './model';

/** Milliseconds after which an emit counts as slow. */
const SLOW_AFTER = 500;

/** Emit an event to the room: its name, and its data as JSON, which is checked while it is typed. */
export function EmitForm({ room }: { room: IRoomModel }): JSX.Element {
  const trans = useTranslation();
  const [event, setEvent] = useState(room.form.event);
  const [data, setData] = useState('');
  const [outcome, emit] = useEmit(room);
  const fault = jsonFault(data);
  const problem = fault === null ? null : trans.__('Not JSON: %1', fault);
  const ready = room.canEmit && event.trim() !== '' && problem === null;
  const submit = (): void => {
    if (ready) {
      emit(event.trim(), data.trim());
    }
  };
  return (
    <form
      className="jp-RtmsgRoomView-form"
      aria-label={trans.__('Emit an event')}
      onSubmit={submitted => {
        submitted.preventDefault();
        submit();
      }}
      onKeyDown={key => {
        // A notebook's shortcuts must not see the keys that are typed here.
        key.stopPropagation();
      }}
    >
      <EventField value={event} onChange={setEvent} />
      <DataField value={data} onChange={setData} onEmit={submit} lines={room.form.lines} problem={problem} />
      <Outcome outcome={problem === null ? outcome : null} />
      <button type="submit" className="jp-RtmsgRoomView-button" disabled={!ready}>
        {trans.__('Emit')}
      </button>
    </form>
  );
}

/** Return the outcome of the latest emit, and a function that emits. */
function useEmit(room: IRoomModel): [IOutcome | null, (event: string, json: string) => void] {
  const [outcome, setOutcome] = useState<IOutcome | null>(null);
  const latest = useRef(0);
  useEffect(
    () => () => {
      latest.current += 1;
    },
    []
  );
  const emit = (event: string, json: string): void => {
    const number = ++latest.current;
    const tell = (told: IOutcome | null): void => {
      if (number === latest.current) {
        setOutcome(told);
      }
    };
    tell(null);
    const timer = setTimeout(() => {
      tell(room.form.slow === null ? null : { ok: true, text: room.form.slow });
    }, SLOW_AFTER);
    void room.emit(event, json).then(told => {
      clearTimeout(timer);
      tell(told);
    });
  };
  return [outcome, emit];
}

function Outcome({ outcome }: { outcome: IOutcome | null }): JSX.Element {
  const ok = outcome?.ok !== false;
  return (
    <span role={ok ? 'status' : 'alert'} className="jp-RtmsgRoomView-outcome" data-ok={String(ok)}>
      {outcome?.text}
    </span>
  );
}

interface IFieldProps {
  value: string;
  onChange: (value: string) => void;
}

function EventField({ value, onChange }: IFieldProps): JSX.Element {
  const trans = useTranslation();
  return (
    <label className="jp-RtmsgRoomView-label">
      {trans.__('Event')}
      <input
        className="jp-RtmsgRoomView-input"
        spellcheck={false}
        value={value}
        onInput={({ currentTarget }) => {
          onChange(currentTarget.value);
        }}
      />
    </label>
  );
}

interface IDataFieldProps extends IFieldProps {
  lines: number;
  problem: string | null;
  onEmit: () => void;
}

function DataField({ value, onChange, lines, problem, onEmit }: IDataFieldProps): JSX.Element {
  const trans = useTranslation();
  const problemId = useId();
  return (
    <>
      <label className="jp-RtmsgRoomView-label jp-mod-data">
        {trans.__('Data (JSON)')}
        <textarea
          className="jp-RtmsgRoomView-input"
          rows={lines}
          placeholder='{"loss": 0.1}'
          spellcheck={false}
          value={value}
          aria-invalid={problem !== null}
          aria-describedby={problemId}
          onInput={({ currentTarget }) => {
            onChange(currentTarget.value);
          }}
          onKeyDown={key => {
            if (emits(key, lines)) {
              key.preventDefault();
              onEmit();
            }
          }}
        />
      </label>
      <span id={problemId} role="alert" className="jp-RtmsgRoomView-error">
        {problem}
      </span>
    </>
  );
}

/** Whether a key emits: Ctrl+Enter, and in a field of one line Enter. Shift+Enter begins a line in either. */
function emits(key: KeyboardEvent, lines: number): boolean {
  const plain = lines === 1 && !key.shiftKey && !key.isComposing;
  return key.key === 'Enter' && (plain || key.ctrlKey || key.metaKey);
}

/** Return what is wrong with a text as JSON, or null. No text means no data. */
function jsonFault(text: string): string | null {
  try {
    if (text.trim()) {
      JSON.parse(text);
    }
    return null;
  } catch (error) {
    return (error as SyntaxError).message;
  }
}
