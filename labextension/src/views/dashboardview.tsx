import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import type { ITranslation } from '../hub/translation';
import type { IDashboardModel, IDashboardRoom } from './dashboardmodel';
import { timeText } from './format';
import { useChanges, useTranslation } from './hooks';
import { QueueLag } from './queuelag';
import { sizeText } from './size';

interface IColumn {
  readonly label: string;
  readonly title: string;
  /** The value that rows are sorted by; text from A, numbers from the highest. */
  value(room: IDashboardRoom): string | number;
  text(room: IDashboardRoom): string;
}

/** All rooms: events a second, lag, members and dead letters. */
export function DashboardView({ dashboard }: { dashboard: IDashboardModel }): JSX.Element {
  const trans = useTranslation();
  useChanges(dashboard);
  const [sorted, setSorted] = useState(1);
  const columns = columnsOf(trans);
  const column = columns[sorted];
  const rooms = dashboard.rooms ?? [];
  const shown = column ? [...rooms].sort((a, b) => compare(column.value(a), column.value(b), a.name, b.name)) : rooms;
  return (
    <section className="jp-RtmsgDashboard" aria-label={trans.__('All rooms')}>
      <div className="jp-RtmsgDashboard-head">
        <h4>{trans.__('All rooms')}</h4>
        <span className="jp-RtmsgDashboard-asked">{askedText(dashboard, trans)}</span>
      </div>
      {dashboard.problem !== null && (
        <p role="alert" className="jp-RtmsgQueue-problem">
          {dashboard.problem}
        </p>
      )}
      {dashboard.rooms?.length === 0 && (
        <p className="jp-RtmsgQueue-hint">{trans.__('No rooms yet. The first event makes one.')}</p>
      )}
      {shown.length > 0 && <Rooms rooms={shown} columns={columns} sorted={sorted} onSort={setSorted} />}
      {dashboard.unlisted > 0 && (
        <p className="jp-RtmsgQueue-hint">{trans.__('and %1 more rooms', dashboard.unlisted.toLocaleString())}</p>
      )}
    </section>
  );
}

function askedText({ asked, problem }: IDashboardModel, trans: ITranslation): string {
  if (asked === null) {
    return problem === null ? trans.__('Asking the hub…') : '';
  }
  return trans.__('As of %1', timeText(asked));
}

function columnsOf(trans: ITranslation): readonly IColumn[] {
  const number = (value: number): string => value.toLocaleString();
  return [
    { label: trans.__('Room'), title: trans.__('Sort by name'), value: r => r.name, text: r => r.name },
    {
      label: trans.__('Events/s'),
      title: trans.__('Stored events a second since the look before'),
      value: r => r.rate ?? 0,
      text: r => (r.rate === null ? '–' : rateText(r.rate))
    },
    { label: trans.__('Lag'), title: lagTitle(trans), value: r => r.lag, text: r => (r.groups ? number(r.lag) : '–') },
    {
      label: trans.__('Errors'),
      title: trans.__('Dead letters of its worker groups'),
      value: r => r.dead,
      text: r => (r.groups ? number(r.dead) : '–')
    },
    {
      label: trans.__('Members'),
      title: trans.__('Members that are here now'),
      value: r => r.members,
      text: r => number(r.members)
    },
    {
      label: trans.__('Held'),
      title: trans.__('Stored events, and the size of their data'),
      value: r => r.count,
      text: r => `${number(r.count)} · ${sizeText(r.bytes)}`
    }
  ];
}

function lagTitle(trans: ITranslation): string {
  return trans.__('Events that its worker groups have to do');
}

function rateText(rate: number): string {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString();
}

function compare(a: string | number, b: string | number, nameA: string, nameB: string): number {
  if (typeof a === 'number' && typeof b === 'number' && a !== b) {
    return b - a;
  }
  return nameA.localeCompare(nameB);
}

interface IRoomsProps {
  rooms: readonly IDashboardRoom[];
  columns: readonly IColumn[];
  sorted: number;
  onSort: (column: number) => void;
}

function Rooms({ rooms, columns, sorted, onSort }: IRoomsProps): JSX.Element {
  const trans = useTranslation();
  return (
    <div className="jp-RtmsgDashboard-scroll" role="region" aria-label={trans.__('Table of rooms')} tabIndex={0}>
      <table className="jp-RtmsgDashboard-table">
        <thead>
          <tr>
            {columns.map(({ label, title }, index) => (
              <th
                key={label}
                scope="col"
                aria-sort={index === sorted ? (index === 0 ? 'ascending' : 'descending') : 'none'}
              >
                <button
                  type="button"
                  title={title}
                  onClick={() => {
                    onSort(index);
                  }}
                >
                  {label}
                </button>
              </th>
            ))}
            <th scope="col">{trans.__('Over time')}</th>
          </tr>
        </thead>
        <tbody>
          {rooms.map(room => (
            <RoomRow key={room.name} room={room} columns={columns} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RoomRow({ room, columns }: { room: IDashboardRoom; columns: readonly IColumn[] }): JSX.Element {
  const trans = useTranslation();
  const [name, ...numbers] = columns;
  return (
    <tr title={room.problem ?? undefined} data-errors={String(room.dead > 0)}>
      <th scope="row">
        <bdi>{name?.text(room)}</bdi>
        {room.problem !== null && <span className="jp-RtmsgDashboard-problem"> {room.problem}</span>}
      </th>
      {numbers.map(column => (
        <td key={column.label}>{column.text(room)}</td>
      ))}
      <td>
        <QueueLag label={trans.__('Events a second in %1', room.name)} points={room.history} />
      </td>
    </tr>
  );
}
