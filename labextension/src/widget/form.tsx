import type { JSX } from 'preact';

import { EmitForm } from '../views/emitform';
import { useChanges } from '../views/hooks';
import { type IFormTraits, KernelForm } from './formmodel';
import { widgetOf } from './mount';

/** The anywidget of `jupyter_rtmsg.widgets.EmitForm`. */
export default widgetOf<IFormTraits, KernelForm>(
  model => new KernelForm(model),
  room => <FormView room={room} />
);

function FormView({ room }: { room: KernelForm }): JSX.Element {
  useChanges(room);
  return (
    <section className="jp-RtmsgWidget-form" aria-label={`Emit to ${room.name}`}>
      <div className="jp-RtmsgWidget-head">
        <bdi>{room.name}</bdi>
        <span role="status">{room.problem}</span>
      </div>
      <EmitForm room={room} />
    </section>
  );
}
