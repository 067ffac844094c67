import type { JSX } from 'preact';

import { ActionBar } from './actions';
import { useChanges, useTranslation } from './hooks';
import { QueueGroup } from './queuegroup';
import { QueueLetters } from './queueletters';
import type { IQueueModel } from './queuemodel';
import { quoted } from './python';

/** The worker groups of a room, and the dead letters of one of them. */
export function QueueView({ queue }: { queue: IQueueModel }): JSX.Element {
  const trans = useTranslation();
  useChanges(queue);
  const refresh = {
    label: trans.__('Refresh'),
    python: 'room.groups()',
    run: () => queue.refresh()
  };
  return (
    <section className="jp-RtmsgQueue" aria-label={trans.__('Worker groups of %1', queue.name)}>
      <div className="jp-RtmsgQueue-head">
        <h4>
          {trans.__('Worker groups')} <bdi className="jp-RtmsgQueue-room">{queue.name}</bdi>
        </h4>
        <ActionBar label={trans.__('All groups')} actions={[refresh]} />
      </div>
      {queue.problem !== null && (
        <p role="alert" className="jp-RtmsgQueue-problem">
          {queue.problem}
        </p>
      )}
      <Groups queue={queue} />
      {queue.letters && <QueueLetters key={queue.letters.group} queue={queue} letters={queue.letters} />}
    </section>
  );
}

function Groups({ queue }: { queue: IQueueModel }): JSX.Element | null {
  const trans = useTranslation();
  const { groups } = queue;
  if (groups === null) {
    return queue.problem === null ? <p className="jp-RtmsgQueue-hint">{trans.__('Asking the hub…')}</p> : null;
  }
  if (groups.length === 0) {
    return (
      <p className="jp-RtmsgQueue-hint">
        {trans.__('No worker groups in this room. The first worker makes one, in a notebook:')}{' '}
        <code>{`@room.worker(${quoted('resize')})`}</code>
      </p>
    );
  }
  return (
    <ul className="jp-RtmsgQueue-groups">
      {groups.map(group => (
        <QueueGroup key={group.name} queue={queue} group={group} />
      ))}
    </ul>
  );
}
