import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { useTranslation } from './hooks';
import type { IOutcome } from './model';

/** What a button does. */
export interface IAction {
  readonly label: string;
  /** The name for screen readers, where the label alone does not tell what is meant. */
  readonly name?: string;
  /** The line of Python that does the same. */
  readonly python: string;
  /** Asked before it is done; missing: it is done at once. */
  readonly question?: string;
  /** Why it cannot be done now; null: it can. */
  readonly refusal?: string | null;
  run(): Promise<IOutcome>;
}

interface IActionBarProps {
  /** What the buttons are about, for screen readers. */
  label: string;
  actions: readonly IAction[];
}

/**
 * Buttons, and what came of the latest one with its line of Python. While one is at work, none can be pressed.
 *
 * What cannot be undone is asked first: the question takes the place of the buttons.
 */
export function ActionBar({ label, actions }: IActionBarProps): JSX.Element {
  const [asked, setAsked] = useState<IAction | null>(null);
  const { running, done, run } = useRun();
  const press = (action: IAction): void => {
    if (action.question !== undefined && asked === null) {
      setAsked(action);
    } else {
      setAsked(null);
      run(action);
    }
  };
  return (
    <div className="jp-RtmsgActions" role="group" aria-label={label}>
      {asked === null ? (
        actions.map(action => <ActionButton key={action.label} action={action} running={running} onPress={press} />)
      ) : (
        <Question
          action={asked}
          onYes={press}
          onNo={() => {
            setAsked(null);
          }}
        />
      )}
      <Done done={done} />
    </div>
  );
}

interface IDone {
  readonly outcome: IOutcome;
  readonly python: string;
}

/** Return what runs an action, whether one is running, and what came of the latest one. */
function useRun(): { running: boolean; done: IDone | null; run: (action: IAction) => void } {
  const [running, setRunning] = useState(false);
  const [done, setDone] = useState<IDone | null>(null);
  const mounted = useRef(true);
  useEffect(
    () => () => {
      mounted.current = false;
    },
    []
  );
  const run = (action: IAction): void => {
    setRunning(true);
    setDone(null);
    void action
      .run()
      .catch((error: unknown) => ({ ok: false, text: error instanceof Error ? error.message : String(error) }))
      .then(outcome => {
        if (mounted.current) {
          setRunning(false);
          setDone({ outcome, python: action.python });
        }
      });
  };
  return { running, done, run };
}

interface IActionButtonProps {
  action: IAction;
  running: boolean;
  onPress: (action: IAction) => void;
}

function ActionButton({ action, running, onPress }: IActionButtonProps): JSX.Element {
  const refusal = action.refusal ?? null;
  return (
    <button
      type="button"
      className="jp-RtmsgActions-button"
      aria-label={action.name}
      title={refusal ?? action.python}
      // Not `disabled`, which would take the focus away and keep the reason from being read.
      aria-disabled={running || refusal !== null}
      onClick={() => {
        if (!running && refusal === null) {
          onPress(action);
        }
      }}
    >
      {action.label}
    </button>
  );
}

interface IQuestionProps {
  action: IAction;
  onYes: (action: IAction) => void;
  onNo: () => void;
}

function Question({ action, onYes, onNo }: IQuestionProps): JSX.Element {
  const trans = useTranslation();
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    no.current?.focus();
  }, []);
  return (
    <>
      <span role="alert">{action.question}</span>
      <button
        type="button"
        className="jp-RtmsgActions-button jp-mod-warn"
        onClick={() => {
          onYes(action);
        }}
      >
        {action.label}
      </button>
      <button ref={no} type="button" className="jp-RtmsgActions-button" onClick={onNo}>
        {trans.__('Cancel')}
      </button>
    </>
  );
}

function Done({ done }: { done: IDone | null }): JSX.Element {
  return (
    <span role="status" className="jp-RtmsgActions-done" data-ok={String(done?.outcome.ok !== false)}>
      {done && (
        <>
          {done.outcome.text} {done.outcome.ok && <code>{done.python}</code>}
        </>
      )}
    </span>
  );
}
