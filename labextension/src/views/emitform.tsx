import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import type { ITranslation } from '../hub/translation';
import { useTranslation, useUniqueId } from './hooks';
import { isMeantAsJson, jsonFault } from './jsonfault';
import type { IDraft, IOutcome, IRoomModel } from './model';
import { emitLine } from './pythonvalue';

/** Milliseconds after which an emit counts as slow. */
const SLOW_AFTER = 500;

/** Emit an event to the room: its name, and its data, which are checked while they are typed. */
export function EmitForm({ room }: { room: IRoomModel }): JSX.Element {
  const trans = useTranslation();
  const [draft, setDraft] = useDraft(room);
  const [outcome, emit] = useEmit(room);
  const data = readData(draft.data, room.maxBytes ?? null, trans);
  const event = draft.event.trim();
  const refusal = refusalOf(room, event, data, trans);
  const submit = (): void => {
    if (refusal === null) {
      emit(event, data.json);
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
      <EventField
        value={draft.event}
        onChange={name => {
          setDraft({ ...draft, event: name });
        }}
      />
      <DataField
        value={draft.data}
        onChange={text => {
          setDraft({ ...draft, data: text });
        }}
        onEmit={submit}
        lines={room.form.lines}
        data={data}
      />
      <Outcome outcome={data.problem === null ? outcome : null} />
      <button
        type="submit"
        className="jp-RtmsgRoomView-button"
        disabled={refusal !== null}
        title={refusal ?? trans.__('Ctrl+Enter')}
      >
        {trans.__('Emit')}
      </button>
      <PythonLine room={room.name} event={event} data={data} refusal={data.problem === null ? refusal : null} />
    </form>
  );
}

/** Data as they are typed, and as they are sent. */
interface IData {
  /** The JSON that is sent; empty for none. */
  readonly json: string;
  /** What is said below the field; null: nothing. */
  readonly hint: string | null;
  /** Why they cannot be sent; null: they can. */
  readonly problem: string | null;
}

function readData(text: string, maxBytes: number | null, trans: ITranslation): IData {
  const trimmed = text.trim();
  if (!isMeantAsJson(text)) {
    const json = JSON.stringify(trimmed);
    return {
      json,
      hint: trans.__('Sent as the string %1', shortened(json)),
      problem: sizeFault(json, maxBytes, trans)
    };
  }
  const fault = trimmed === '' ? null : jsonFault(text, trans);
  if (fault) {
    const problem = trans.__('Not JSON: line %1, column %2: %3', fault.line, fault.column, fault.text);
    return { json: '', hint: null, problem };
  }
  return { json: trimmed, hint: null, problem: sizeFault(trimmed, maxBytes, trans) };
}

function sizeFault(json: string, maxBytes: number | null, trans: ITranslation): string | null {
  if (maxBytes === null || 3 * json.length <= maxBytes) {
    return null;
  }
  const bytes = new TextEncoder().encode(json).length;
  const [size, limit] = [bytes.toLocaleString(), maxBytes.toLocaleString()];
  return bytes > maxBytes
    ? trans.__('The data has %1 bytes; an event may have %2. Send it in parts.', size, limit)
    : null;
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** Return why the form cannot be sent; null: it can. */
function refusalOf(room: IRoomModel, event: string, { problem }: IData, trans: ITranslation): string | null {
  if (!room.canEmit) {
    return room.emitProblem ?? trans.__('There is no connection: nothing can be emitted now.');
  }
  return event === '' ? trans.__('Name the event first.') : problem;
}

/** Return what is in the fields; the room keeps it, so that it outlives this view. */
function useDraft(room: IRoomModel): [IDraft, (draft: IDraft) => void] {
  const [draft, setDraft] = useState<IDraft>(room.draft ?? { event: room.form.event, data: '' });
  return [
    draft,
    changed => {
      room.keepDraft?.(changed);
      setDraft(changed);
    }
  ];
}

interface IPythonLineProps {
  room: string;
  event: string;
  data: IData;
  /** Why it cannot be sent, where the fields do not say it. */
  refusal: string | null;
}

/** The line of Python that does the same, or why it cannot be done. */
function PythonLine({ room, event, data, refusal }: IPythonLineProps): JSX.Element {
  const payload = data.json === '' ? null : { json: data.json, value: null };
  if (refusal !== null) {
    return <p className="jp-RtmsgRoomView-python">{refusal}</p>;
  }
  const line = data.problem === null ? emitLine(room, event, payload) : '';
  return (
    <p className="jp-RtmsgRoomView-python">
      <code title={line.slice(0, 1_000)}>{shortLine(line)}</code>
    </p>
  );
}

function shortLine(line: string): string {
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
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
  data: IData;
  onEmit: () => void;
}

function DataField({ value, onChange, lines, data, onEmit }: IDataFieldProps): JSX.Element {
  const trans = useTranslation();
  const problemId = useUniqueId();
  return (
    <>
      <label className="jp-RtmsgRoomView-label jp-mod-data">
        {trans.__('Data (JSON)')}
        <textarea
          className="jp-RtmsgRoomView-input"
          rows={lines}
          placeholder={trans.__('{"loss": 0.1}, or a plain text')}
          spellcheck={false}
          value={value}
          aria-invalid={data.problem !== null}
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
        {data.problem}
      </span>
      {data.hint !== null && <span className="jp-RtmsgRoomView-formHint">{data.hint}</span>}
    </>
  );
}

/** Whether a key emits: Ctrl+Enter, and in a field of one line Enter. Shift+Enter begins a line in either. */
function emits(key: KeyboardEvent, lines: number): boolean {
  const plain = lines === 1 && !key.shiftKey && !key.isComposing;
  return key.key === 'Enter' && (plain || key.ctrlKey || key.metaKey);
}
