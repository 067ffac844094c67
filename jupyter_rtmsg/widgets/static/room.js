// A room in a notebook. The kernel holds the truth and says it in text; this draws it.
//
// Kernel to browser: the model's traits (`room_name`, `state`, `members`, `labels`, ..., and `recent`, a stretch of events), then messages
//   {kind: "events", first, events, whole?}  a stretch: consecutive events, `first` is the running number of the first;
//                                            a `whole` one replaces what is shown
//   {kind: "outcome", id, ok, text}          of an emit
// Browser to kernel:
//   {kind: "emit", id, event, data}          data: JSON as text, "" for none
//   {kind: "recent"}                         asks for a whole stretch, since a message was lost

const LIMIT = 200;
const NEAR_END = 24; // pixels within which a reader counts as being at the end
const BUSY_AFTER = 500; // ms

export default () => {
  let timeline;
  return {
    initialize({ model }) {
      timeline = new Timeline(model);
      return () => timeline.close();
    },
    render({ model, el }) {
      const view = new RoomView(model, timeline);
      el.append(view.node);
      return () => view.close();
    }
  };
};

/** The latest events of a model, shared by its views. */
class Timeline {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.onState = () => this.take({ ...model.get('recent'), whole: true });
    this.onState();
    this.onMessage = message => {
      if (message.kind === 'events') {
        this.take(message);
      }
    };
    model.on('msg:custom', this.onMessage);
    model.on('change:recent', this.onState); // the whole state, after the page was cut off
  }

  close() {
    this.model.off('msg:custom', this.onMessage);
    this.model.off('change:recent', this.onState);
  }

  take({ first, events, whole = false }) {
    const hole = !whole && first > this.next;
    if (hole && events.length < LIMIT) {
      this.model.send({ kind: 'recent' });
    }
    const redraw = whole || hole;
    const fresh = redraw ? events : events.slice(this.next - first);
    this.events = [...(redraw ? [] : this.events), ...fresh].slice(-LIMIT);
    this.next = first + events.length;
    this.views.forEach(view => view.add(fresh, redraw));
  }
}

/** One drawing of the room. */
class RoomView {
  constructor(model, timeline) {
    this.model = model;
    this.timeline = timeline;
    this.log = new EventList();
    this.head = new Head(model);
    this.relabel = () => this.log.relabel(model.get('labels'));
    model.on('change:labels', this.relabel);
    this.form = new EmitForm(model);
    this.node = element('section', 'jp-RtmsgRoomView', { 'aria-label': `Room ${model.get('room_name')}` });
    this.node.append(this.head.node, this.log.node, this.form.node);
    this.log.add(timeline.events, true);
    timeline.views.add(this.log);
  }

  close() {
    this.timeline.views.delete(this.log);
    this.model.off('change:labels', this.relabel);
    this.head.close();
    this.form.close();
  }
}

/** Name, connection, members, and how much was missed. */
class Head {
  constructor(model) {
    this.model = model;
    this.name = element('strong', 'jp-RtmsgRoomView-name', {}, model.get('room_name'));
    this.state = element('span', 'jp-RtmsgRoomView-state', { role: 'status' });
    this.missed = element('span', 'jp-RtmsgRoomView-missed');
    this.members = element('ul', 'jp-RtmsgRoomView-members', { 'aria-label': 'Members' });
    const line = element('div', 'jp-RtmsgRoomView-headLine');
    line.append(this.name, this.missed, this.state);
    this.node = element('header', 'jp-RtmsgRoomView-head');
    this.node.append(line, this.members);
    this.draw = this.draw.bind(this);
    this.lose = this.lose.bind(this);
    model.on('change:state change:problem change:missed change:members', this.draw);
    model.on('comm_live_update', this.lose);
    this.draw();
  }

  close() {
    this.model.off('change:state change:problem change:missed change:members', this.draw);
    this.model.off('comm_live_update', this.lose);
  }

  /** The kernel was restarted or has died: nobody is behind this any more, unless the state is sent again. */
  lose() {
    this.state.dataset.state = 'closed';
    this.state.textContent = 'lost its kernel: run the cell again';
  }

  draw() {
    const get = name => this.model.get(name);
    this.state.dataset.state = get('state');
    this.state.textContent = get('problem') || get('state');
    this.missed.textContent = get('missed') ? `${get('missed').toLocaleString()} missed while away` : '';
    this.members.replaceChildren(...get('members').map(member));
  }
}

function member({ label, title, state }) {
  const text = state === 'away' ? `${label} (away)` : label;
  return element('li', 'jp-RtmsgRoomView-member', { title, 'data-state': state }, text);
}

/** The events, newest last; stays at the end while the reader is there. */
class EventList {
  constructor() {
    this.node = element('div', 'jp-RtmsgRoomView-events', {
      role: 'log',
      'aria-live': 'polite',
      'aria-label': 'Log',
      tabindex: '0'
    });
    this.hint = element('p', 'jp-RtmsgRoomView-hint', {}, 'Nothing has happened here yet.');
    this.atEnd = true;
    this.node.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.node;
      this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    });
  }

  add(events, redraw) {
    if (redraw) {
      this.node.replaceChildren(this.hint);
    }
    if (events.length) {
      this.hint.remove();
    }
    this.node.append(...events.map(eventLine));
    while (this.node.childElementCount > LIMIT) {
      this.node.firstElementChild.remove();
    }
    if (this.atEnd) {
      this.node.scrollTop = this.node.scrollHeight;
    }
  }

  /** Call senders otherwise: another notebook of the same name has turned up. */
  relabel(labels) {
    this.node.querySelectorAll('[data-who]').forEach(node => {
      node.textContent = labels[node.dataset.who] ?? node.textContent;
    });
  }
}

function eventLine({ name, who, sender, user, title, ts, seq, data, replay }) {
  const time = new Date(ts);
  const position = seq === null ? 'volatile' : `number ${seq} in the log`;
  const node = element('div', 'jp-RtmsgRoomView-event', { 'data-replay': String(replay) });
  node.append(
    element(
      'time',
      'jp-RtmsgRoomView-time',
      { datetime: time.toISOString(), title: `${time.toLocaleString()}, ${position}` },
      time.toLocaleTimeString(undefined, { hour12: false })
    ),
    element('bdi', 'jp-RtmsgRoomView-eventName', {}, name),
    senderOf({ who, sender, user, title }),
    element('code', 'jp-RtmsgRoomView-data', {}, data ?? '')
  );
  if (replay) {
    node.title = 'read back from the log';
  }
  return node;
}

/** The name may be cut where it is long, the user is not: a name that somebody chose must not hide who it is. */
function senderOf({ who, sender, user, title }) {
  const node = element('span', 'jp-RtmsgRoomView-sender', { title });
  node.append(element('bdi', 'jp-RtmsgRoomView-senderName', { 'data-who': who }, sender));
  if (user) {
    node.append(element('bdi', 'jp-RtmsgRoomView-senderUser', {}, ` (${user})`));
  }
  return node;
}

/** Emit an event. The kernel sends it, so that it comes from this notebook. */
class EmitForm {
  constructor(model) {
    this.model = model;
    this.event = input('event', 'message');
    this.data = input('{"loss": 0.1}', '');
    this.outcome = element('span', 'jp-RtmsgRoomView-outcome', { role: 'status' });
    this.node = element('form', 'jp-RtmsgRoomView-form', { 'aria-label': 'Emit' });
    const button = element('button', 'jp-RtmsgRoomView-button', { type: 'submit' }, 'Emit');
    this.node.append(label('Event', this.event), label('Data (JSON)', this.data), button, this.outcome);
    this.node.addEventListener('submit', submit => {
      submit.preventDefault();
      this.emit();
    });
    // A notebook's shortcuts must not see what is typed here.
    this.node.addEventListener('keydown', key => key.stopPropagation());
    this.onMessage = message => {
      if (message.kind === 'outcome' && message.id === this.waiting) {
        this.say(message.text, message.ok);
      }
    };
    model.on('msg:custom', this.onMessage);
  }

  close() {
    clearTimeout(this.timer);
    this.model.off('msg:custom', this.onMessage);
  }

  emit() {
    const problem = notJSON(this.data.value);
    if (problem) {
      this.say(problem, false);
      return;
    }
    this.say('', true);
    this.waiting = `${Date.now()}-${Math.random()}`;
    this.model.send({ kind: 'emit', id: this.waiting, event: this.event.value.trim(), data: this.data.value.trim() });
    // Kernels look at what comes from the browser between two cells, not during one.
    this.timer = setTimeout(() => {
      this.outcome.textContent = 'The kernel is busy: this is emitted when its cell has ended.';
    }, BUSY_AFTER);
  }

  say(text, ok) {
    clearTimeout(this.timer);
    this.waiting = undefined;
    this.outcome.textContent = text;
    this.outcome.dataset.ok = String(ok);
  }
}

/** Return what is wrong with a text as JSON, or null. No text means no data. The kernel reads it again, with all digits. */
function notJSON(text) {
  try {
    if (text.trim()) {
      JSON.parse(text);
    }
    return null;
  } catch (error) {
    return `Not JSON: ${error.message}`;
  }
}

function input(placeholder, value) {
  return Object.assign(element('input', 'jp-RtmsgRoomView-input', { type: 'text', spellcheck: 'false' }), {
    placeholder,
    value
  });
}

function label(text, field) {
  const node = element('label', 'jp-RtmsgRoomView-label', {}, text);
  node.append(field);
  return node;
}

/** Make an element. Text is only ever text: it comes from whoever may write to the room. */
function element(tag, className, attributes = {}, text = '') {
  const node = document.createElement(tag);
  node.className = className;
  Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
  node.textContent = text;
  return node;
}
