import { type VNode, render } from 'preact';
import { act } from 'preact/test-utils';

import type { IDraft, IEventRow, IMemberItem, IOutcome, IRoomModel, IStatus, Row } from '../../src/views/model';

/** A room whose content the test sets; `change` tells the views. */
export class FakeRoom implements IRoomModel {
  name = 'lab';
  error: string | null = null;
  status: IStatus | null = null;
  missed = 0;
  members: IMemberItem[] = [];
  unlisted = 0;
  rows: Row[] = [];
  form = { event: '', lines: 2, slow: null as string | null };
  canEmit = true;
  maxBytes?: number;
  draft?: IDraft;
  keepDraft?: (draft: IDraft) => void;
  readonly emitted: [string, string][] = [];
  readonly watchers = new Set<() => void>();
  answer: (outcome: IOutcome) => void = () => undefined;

  emit(event: string, json: string): Promise<IOutcome> {
    this.emitted.push([event, json]);
    return new Promise(resolve => {
      this.answer = resolve;
    });
  }

  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  change(fields: Partial<FakeRoom>): void {
    void act(() => {
      Object.assign(this, fields);
      this.watchers.forEach(watcher => {
        watcher();
      });
    });
  }
}

export function eventRow(key: number, fields: Partial<IEventRow> = {}): IEventRow {
  const shown = { name: `event ${key}`, sender: 'ana', user: '', title: '', data: null };
  return { kind: 'event', key, ...shown, ts: 0, seq: key, replay: false, ...fields };
}

/** Render a view into the page and return its element. */
export function show(view: VNode): HTMLElement {
  const element = document.createElement('div');
  document.body.replaceChildren(element);
  void act(() => {
    render(view, element);
  });
  return element;
}

/** Return the texts of all elements that a selector finds. */
export function texts(element: HTMLElement, selector: string): string[] {
  return [...element.querySelectorAll(selector)].map(found => found.textContent ?? '');
}

/** Type a text into a field. */
export function type(field: HTMLInputElement | HTMLTextAreaElement | null, text: string): void {
  void act(() => {
    if (field) {
      field.value = text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
  });
}
