import type { JSX } from 'preact';

import type { ITranslation } from '../hub/translation';
import { ActionBar, type IAction } from './actions';
import { useTranslation } from './hooks';
import { QueueLag } from './queuelag';
import { type GroupState, type IGroupItem, type IQueueModel, type IWorkerItem, groupState } from './queuemodel';
import { groupLine } from './python';

interface IQueueGroupProps {
  queue: IQueueModel;
  group: IGroupItem;
}

/** A worker group: its numbers, its workers, its lag over time, and what can be done with it. */
export function QueueGroup({ queue, group }: IQueueGroupProps): JSX.Element {
  const trans = useTranslation();
  const state = groupState(group);
  return (
    <li className="jp-RtmsgQueue-group" aria-label={trans.__('Group %1', group.name)}>
      <div className="jp-RtmsgQueue-groupHead">
        <bdi className="jp-RtmsgQueue-groupName">{group.name}</bdi>
        <code className="jp-RtmsgQueue-pattern" title={trans.__('The events that it handles')}>
          <bdi>{group.event}</bdi>
        </code>
        <span className="jp-RtmsgQueue-state" data-state={state}>
          {stateWords(state, trans)}
        </span>
      </div>
      <Numbers group={group} />
      <QueueLag label={trans.__('Lag of %1', group.name)} points={group.history} />
      <Workers group={group} />
      {group.lastError !== null && (
        <p className="jp-RtmsgQueue-error">
          {trans.__('Last error:')} <bdi>{group.lastError}</bdi>
        </p>
      )}
      <ActionBar label={trans.__('Group %1', group.name)} actions={actionsOf(queue, group, trans)} />
    </li>
  );
}

function stateWords(state: GroupState, trans: ITranslation): string {
  const words: Record<GroupState, string> = {
    paused: trans.__('Paused'),
    working: trans.__('At work'),
    waiting: trans.__('Nobody works for it'),
    idle: trans.__('Nothing to do')
  };
  return words[state];
}

function actionsOf(queue: IQueueModel, group: IGroupItem, trans: ITranslation): readonly IAction[] {
  const isOpen = queue.letters?.group === group.name;
  const pause: IAction = group.paused
    ? {
        label: trans.__('Resume'),
        name: trans.__('Resume %1', group.name),
        python: groupLine(group.name, 'resume()'),
        run: () => queue.resume(group.name)
      }
    : {
        label: trans.__('Pause'),
        name: trans.__('Pause %1', group.name),
        python: groupLine(group.name, 'pause()'),
        run: () => queue.pause(group.name)
      };
  const letters: IAction = {
    label: isOpen ? trans.__('Close dead letters') : trans.__('Dead letters (%1)', group.dead.toLocaleString()),
    python: groupLine(group.name, 'dead_letters()'),
    run: () => queue.open(isOpen ? null : group.name)
  };
  return group.dead > 0 || isOpen ? [pause, letters] : [pause];
}

function Numbers({ group }: { group: IGroupItem }): JSX.Element {
  const trans = useTranslation();
  const waiting = Math.max(0, group.lag - group.inFlight - group.delayed);
  const numbers: [string, number, string][] = [
    [trans.__('waiting'), waiting, trans.__('Not given to a worker yet')],
    [trans.__('in flight'), group.inFlight, trans.__('With a worker now')],
    [trans.__('delayed'), group.delayed, trans.__('Wait for their next try')],
    [trans.__('dead'), group.dead, trans.__('Could not be handled: dead letters')],
    [trans.__('done'), group.done, trans.__('Handled')],
    [trans.__('workers'), group.workerCount, trans.__('Members that work for the group')]
  ];
  return (
    <dl className="jp-RtmsgQueue-numbers">
      {numbers.map(([label, number, title]) => (
        <div key={label} title={title} data-some={String(number > 0)}>
          <dt>{label}</dt>
          <dd>{number.toLocaleString()}</dd>
        </div>
      ))}
    </dl>
  );
}

function Workers({ group }: { group: IGroupItem }): JSX.Element | null {
  const trans = useTranslation();
  if (group.workers.length === 0) {
    return null;
  }
  const more = group.workerCount - group.workers.length;
  return (
    <ul className="jp-RtmsgQueue-workers" aria-label={trans.__('Workers of %1', group.name)}>
      {group.workers.map(worker => (
        <Worker key={worker.key} worker={worker} />
      ))}
      {more > 0 && <li>{trans.__('and %1 more', more)}</li>}
    </ul>
  );
}

function Worker({ worker }: { worker: IWorkerItem }): JSX.Element {
  const trans = useTranslation();
  return (
    <li title={worker.title} data-state={worker.away ? 'away' : 'here'}>
      <bdi>{worker.label}</bdi> {trans.__('%1 of %2', worker.inFlight, worker.maxInFlight)}
      {worker.away && ` ${trans.__('(away)')}`}
    </li>
  );
}
