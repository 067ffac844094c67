import type { JSX } from 'preact';

import { useChanges } from '../views/hooks';
import { MissedBlock } from '../views/missedblock';
import { type IMissedTraits, KernelMissed } from './missedmodel';
import { widgetOf } from './mount';

/** The anywidget of `jupyter_rtmsg.widgets.MissedView`. */
export default widgetOf<IMissedTraits, KernelMissed>(
  model => new KernelMissed(model),
  room => <MissedWidget room={room} />
);

function MissedWidget({ room }: { room: KernelMissed }): JSX.Element {
  useChanges(room);
  return room.missed === null && room.skipped === 0 ? (
    <p className="jp-RtmsgWidget-empty" role="status">
      {room.problem ?? (
        <>
          Nothing was missed in <bdi>{room.name}</bdi>.
        </>
      )}
    </p>
  ) : (
    <MissedBlock room={room} />
  );
}
