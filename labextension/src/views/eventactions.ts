import type { ITranslation } from '../hub/translation';
import type { IPage } from './hooks';
import type { IEventRow, IOutcome, IPayload, IRoomModel } from './model';
import { emitLine } from './pythonvalue';

/** What can be done with an event. */
export interface IEventAction {
  readonly id: 'copy' | 'copy-python' | 'insert' | 'emit';
  readonly label: string;
  /** What it does, or the line of Python that it is about. */
  readonly title: string;
  run(): Promise<IOutcome>;
}

/** Return what can be done with an event on this page, as the buttons of the inspector and its menu offer it. */
export function eventActions(room: IRoomModel, row: IEventRow, page: IPage, trans: ITranslation): IEventAction[] {
  const payload = payloadOf(row);
  const line = emitLine(room.name, row.name, payload);
  const json = payload?.json ?? '';
  const copy = async (text: string): Promise<IOutcome> => {
    await page.copy(text);
    return { ok: true, text: trans.__('Copied') };
  };
  const actions: IEventAction[] = [
    { id: 'copy', label: trans.__('Copy'), title: trans.__('Copy the data as JSON'), run: () => copy(json) },
    { id: 'copy-python', label: trans.__('Copy as Python'), title: line, run: () => copy(line) }
  ];
  const insert = page.insertIntoCell;
  if (insert) {
    actions.push({ id: 'insert', label: trans.__('Insert into cell'), title: line, run: () => insert(line) });
  }
  // Bytes are not in the text, so an event with some cannot be emitted from it.
  if (room.canEmit && !json.includes('"_placeholder"')) {
    const again = (): Promise<IOutcome> => room.emit(row.name, json === 'null' ? '' : json);
    actions.push({ id: 'emit', label: trans.__('Emit again'), title: line, run: again });
  }
  return actions;
}

/** Return the data of an event; null: there is none, or this page has its text only and that was cut. */
export function payloadOf({ payload, data }: IEventRow): IPayload | null {
  if (payload) {
    return payload;
  }
  try {
    return data === null ? null : { json: data, value: JSON.parse(data) as unknown };
  } catch {
    return null;
  }
}
