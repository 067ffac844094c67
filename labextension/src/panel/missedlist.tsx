import type { JSX } from 'preact';

import { useChanges, useTranslation } from '../views/hooks';
import { MissedBlock } from '../views/missedblock';
import { pythonText } from '../views/pythonvalue';
import type { PanelReaders } from './readersmodel';

interface IMissedListProps {
  /** The name of the room. */
  room: string;
  readers: PanelReaders;
}

/** What the user's readers have missed in a room. */
export function MissedList({ room, readers }: IMissedListProps): JSX.Element {
  const trans = useTranslation();
  useChanges(readers);
  const { behind, problem } = readers;
  return (
    <section className="jp-Rtmsg-missed" aria-label={trans.__('Missed in %1', room)}>
      {problem !== null && (
        <p role="alert" className="jp-RtmsgMissed-problem">
          {problem}
        </p>
      )}
      {behind === null && problem === null && <p className="jp-RtmsgMissed-hint">{trans.__('Asking the hub…')}</p>}
      {behind?.map(reader => (
        <div key={reader.name}>
          <h4>
            <bdi>{reader.name}</bdi>
          </h4>
          <MissedBlock room={reader} />
        </div>
      ))}
      {behind?.length === 0 && <Nothing room={room} count={readers.count} />}
    </section>
  );
}

function Nothing({ room, count }: { room: string; count: number }): JSX.Element {
  const trans = useTranslation();
  if (count > 0) {
    const text = trans._n('Your one reader has missed nothing.', 'Your %1 readers have missed nothing.', count, count);
    return <p className="jp-RtmsgMissed-hint">{text}</p>;
  }
  return (
    <p className="jp-RtmsgMissed-hint">
      {trans.__('You have no reader in this room. A notebook has one once it has joined; a script names one:')}{' '}
      <code>{`rt.connect().join(${pythonText(room)}, as_="reader")`}</code>
    </p>
  );
}
