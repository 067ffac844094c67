type Listener = (value: unknown) => void;

/** The model that anywidget hands over; the test is its kernel. */
export class FakeModel {
  constructor(public traits: Record<string, unknown>) {}

  readonly sent: { kind: string; id?: string }[] = [];
  listeners: [string, Listener][] = [];

  get(name: string): unknown {
    return this.traits[name];
  }

  send(message: { kind: string }): void {
    this.sent.push(message);
  }

  on(names: string, listener: Listener): void {
    names.split(' ').forEach(name => this.listeners.push([name, listener]));
  }

  off(names: string, listener: Listener): void {
    this.listeners = this.listeners.filter(([name, known]) => !(names.split(' ').includes(name) && known === listener));
  }

  tell(name: string, value?: unknown): void {
    this.listeners
      .filter(([known]) => known === name)
      .forEach(([, listener]) => {
        listener(value);
      });
  }

  change(traits: Record<string, unknown>): void {
    Object.assign(this.traits, traits);
    Object.keys(traits).forEach(name => {
      this.tell(`change:${name}`);
    });
  }

  /** Answer the latest request. */
  answer(ok: boolean, text: string): void {
    this.tell('msg:custom', { kind: 'outcome', id: this.sent[this.sent.length - 1]?.id, ok, text });
  }
}
