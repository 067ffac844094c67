import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import type { ITranslation } from '../hub/translation';
import { ActionBar, type IAction } from './actions';
import { timeText } from './format';
import { useChanges, useTranslation } from './hooks';
import type { IMissedBlock, IMissedModel, IReplayProgress } from './missedmodel';

/** Milliseconds for which a skip can be undone. */
export const UNDO_FOR = 10_000;

const SPEEDS = [0.5, 1, 2, 10, 0];

/** The events that were missed, with Replay, Keep and Skip. */
export function MissedBlock({ room }: { room: IMissedModel }): JSX.Element | null {
  const trans = useTranslation();
  useChanges(room);
  const [isKept, setKept] = useState(false);
  const [speed, setSpeed] = useState(1);
  const canUndo = useUndo(room.skipped);
  const { missed, replay } = room;
  if (missed === null && !canUndo) {
    return null;
  }
  const keep = (): void => {
    setKept(true);
  };
  return (
    <section className="jp-RtmsgMissed" aria-label={trans.__('Missed events of %1', room.name)}>
      <p className="jp-RtmsgMissed-title">{missed ? title(missed, trans) : skippedText(room.skipped, trans)}</p>
      {missed && !isKept && <Names missed={missed} />}
      {room.problem !== null && (
        <p role="alert" className="jp-RtmsgMissed-problem">
          {room.problem}
        </p>
      )}
      {replay && <Progress replay={replay} />}
      {missed && !isKept && !isRunning(replay) && <SpeedField speed={speed} onChange={setSpeed} />}
      {isKept && <p className="jp-RtmsgMissed-hint">{trans.__('Kept: they stay missed until they are handled.')}</p>}
      <ActionBar
        label={trans.__('Missed events')}
        actions={missed ? blockActions(room, speed, isKept ? null : keep, trans) : [undoAction(room, trans)]}
      />
    </section>
  );
}

function title({ count, from, to }: IMissedBlock, trans: ITranslation): string {
  const missed = trans._n('%1 missed', '%1 missed', count, count.toLocaleString());
  return from === null || to === null ? missed : `${missed} · ${timeText(from)}–${timeText(to)}`;
}

function skippedText(count: number, trans: ITranslation): string {
  return trans._n('%1 event was skipped.', '%1 events were skipped.', count, count.toLocaleString());
}

/** Whether a skip can still be undone. */
function useUndo(skipped: number): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    setOver(false);
    if (skipped === 0) {
      return undefined;
    }
    const timer = setTimeout(() => {
      setOver(true);
    }, UNDO_FOR);
    return () => {
      clearTimeout(timer);
    };
  }, [skipped]);
  return skipped > 0 && !isOver;
}

function isRunning(replay: IReplayProgress | null): boolean {
  return replay?.state === 'running' || replay?.state === 'paused';
}

function blockActions(
  room: IMissedModel,
  speed: number,
  keep: (() => void) | null,
  trans: ITranslation
): readonly IAction[] {
  if (isRunning(room.replay)) {
    return runningActions(room, trans);
  }
  const play: IAction = {
    label: trans.__('Replay'),
    python: `room.replay(events=room.missed(), speed=${speed})`,
    refusal: room.problem,
    run: () => room.play(speed)
  };
  const skip: IAction = {
    label: trans.__('Skip'),
    python: 'room.skip()',
    refusal: room.problem ?? room.noSkip,
    run: () => room.skip()
  };
  if (keep === null) {
    return [play, skip];
  }
  const stay: IAction = {
    label: trans.__('Keep'),
    python: 'room.missed()',
    run: () => {
      keep();
      return Promise.resolve({ ok: true, text: '' });
    }
  };
  return [play, stay, skip];
}

function runningActions(room: IMissedModel, trans: ITranslation): readonly IAction[] {
  const refusal = room.problem;
  const hold: IAction =
    room.replay?.state === 'paused'
      ? { label: trans.__('Resume'), python: 'replay.resume()', refusal, run: () => room.resume() }
      : { label: trans.__('Pause'), python: 'replay.pause()', refusal, run: () => room.pause() };
  return [hold, { label: trans.__('Stop'), python: 'replay.stop()', refusal, run: () => room.stop() }];
}

function undoAction(room: IMissedModel, trans: ITranslation): IAction {
  return {
    label: trans.__('Undo'),
    python: 'room.seek(before)  # before = room.skip()',
    refusal: room.problem,
    run: () => room.undo()
  };
}

function Names({ missed }: { missed: IMissedBlock }): JSX.Element {
  const trans = useTranslation();
  return (
    <ul className="jp-RtmsgMissed-names" aria-label={trans.__('Missed events by name')}>
      {missed.byEvent.map(([name, count]) => (
        <li key={name}>
          <bdi>{name}</bdi> {count.toLocaleString()}
        </li>
      ))}
      {missed.others > 0 && <li>{trans.__('others %1', missed.others.toLocaleString())}</li>}
    </ul>
  );
}

function Progress({ replay }: { replay: IReplayProgress }): JSX.Element {
  const trans = useTranslation();
  const { state, done, total } = replay;
  const words: Record<IReplayProgress['state'], string> = {
    running: trans.__('Replaying'),
    paused: trans.__('Paused'),
    done: trans.__('Replayed'),
    stopped: trans.__('Stopped'),
    failed: trans.__('Failed')
  };
  const number =
    total === null ? done.toLocaleString() : trans.__('%1 of %2', done.toLocaleString(), total.toLocaleString());
  return (
    <div className="jp-RtmsgMissed-progress">
      <progress
        aria-label={trans.__('Replay')}
        max={total ?? undefined}
        value={total === null && isRunning(replay) ? undefined : done}
      />
      <span>{`${words[state]}: ${number}`}</span>
      {replay.problem !== null && <span role="alert">{replay.problem}</span>}
    </div>
  );
}

function SpeedField({ speed, onChange }: { speed: number; onChange: (speed: number) => void }): JSX.Element {
  const trans = useTranslation();
  return (
    <label className="jp-RtmsgMissed-speed">
      {trans.__('Speed')}
      <select
        value={String(speed)}
        onChange={({ currentTarget }) => {
          onChange(Number(currentTarget.value));
        }}
      >
        {SPEEDS.map(each => (
          <option key={each} value={String(each)}>
            {each === 0 ? trans.__('at once') : `${each}×`}
          </option>
        ))}
      </select>
    </label>
  );
}
