import type { JSX, VNode } from 'preact';
import { useContext, useEffect, useLayoutEffect, useState } from 'preact/hooks';

import type { IRoom, IRtmsg } from '../tokens';
import { Page, useTranslation, useUniqueId } from '../views/hooks';
import { QueueView } from '../views/queueview';
import { StateTable } from '../views/statetable';
import { MissedList } from './missedlist';
import { type OpenSections, SECTIONS, type SectionName } from './opensections';
import { PanelQueue } from './queuemodel';
import { PanelReaders } from './readersmodel';
import { useSignal } from './signal';
import { PanelState } from './statemodel';

interface IRoomSectionsProps {
  hub: IRtmsg;
  room: IRoom;
  open: OpenSections;
  /** Whether people see the view. */
  isSeen: boolean;
}

/** What else a room has. Nothing is asked of the hub for a section that is closed, or that nobody sees. */
export function RoomSections({ hub, room, open, isSeen }: IRoomSectionsProps): JSX.Element {
  const trans = useTranslation();
  const id = useUniqueId();
  useSignal(open.savedChanged);
  const labels = { missed: trans.__('Missed'), work: trans.__('Work'), state: trans.__('State') };
  return (
    <div className="jp-Rtmsg-sections">
      <div className="jp-Rtmsg-sectionButtons" role="group" aria-label={trans.__('Sections of %1', room.name)}>
        {SECTIONS.map(name => (
          <button
            key={name}
            type="button"
            className="jp-RtmsgTool"
            aria-expanded={open.has(name)}
            aria-controls={open.has(name) ? `${id}-${name}` : undefined}
            onClick={() => {
              open.toggle(name);
            }}
          >
            <span aria-hidden="true">{open.has(name) ? '▾' : '▸'}</span> {labels[name]}
          </button>
        ))}
      </div>
      {open.saved.length > 0 && (
        <div
          className="jp-Rtmsg-sectionBodies"
          role="region"
          aria-label={trans.__('Open sections of %1', room.name)}
          tabIndex={0}
        >
          {open.saved.map(name => (
            <div key={name} id={`${id}-${name}`} className="jp-Rtmsg-section">
              <Section name={name} hub={hub} room={room} isSeen={isSeen} />
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

function Section({ name, hub, room, isSeen }: Omit<IRoomSectionsProps, 'open'> & { name: SectionName }): JSX.Element {
  const trans = useTranslation();
  const page = useContext(Page);
  const put =
    page.insertIntoCell ?? (async lines => page.copy(lines).then(() => ({ ok: true, text: trans.__('Copied') })));
  switch (name) {
    case 'missed':
      return (
        <Modelled
          make={() => new PanelReaders(room, hub, trans, put)}
          view={readers => <MissedList room={room.name} readers={readers} />}
          isSeen={isSeen}
        />
      );
    case 'work':
      return (
        <Modelled
          make={() => new PanelQueue(room, hub, trans)}
          view={queue => <QueueView queue={queue} />}
          isSeen={isSeen}
        />
      );
    case 'state':
      return (
        <Modelled make={() => new PanelState(room, hub)} view={state => <StateTable state={state} />} isSeen={isSeen} />
      );
  }
}

interface IModelledProps<T> {
  make: () => T;
  view: (model: T) => VNode;
  isSeen: boolean;
}

/** A view with a model that lives as long as it does. */
function Modelled<T extends { isSeen: boolean; dispose(): void }>({
  make,
  view,
  isSeen
}: IModelledProps<T>): JSX.Element {
  const [model] = useState(make);
  // Before the model's first look at the hub.
  useLayoutEffect(() => {
    model.isSeen = isSeen;
  }, [model, isSeen]);
  useEffect(
    () => () => {
      model.dispose();
    },
    [model]
  );
  return view(model);
}
