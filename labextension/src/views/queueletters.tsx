import type { JSX } from 'preact';

import type { ITranslation } from '../hub/translation';
import { ActionBar, type IAction } from './actions';
import { useTranslation } from './hooks';
import { lettersLine } from './python';
import type { ILetterItem, ILetters, IQueueModel } from './queuemodel';

interface IQueueLettersProps {
  queue: IQueueModel;
  letters: ILetters;
}

/** The dead letters of a group: what could not be handled, and why. */
export function QueueLetters({ queue, letters }: IQueueLettersProps): JSX.Element {
  const trans = useTranslation();
  const { group, items, count, discarded } = letters;
  return (
    <section className="jp-RtmsgQueue-letters" aria-label={trans.__('Dead letters of %1', group)}>
      <h5>
        {trans.__('Dead letters of')} <bdi>{group}</bdi>
      </h5>
      <p className="jp-RtmsgQueue-hint">{summary(letters, trans)}</p>
      {count > 0 && <ActionBar label={trans.__('All dead letters')} actions={allActions(queue, letters, trans)} />}
      <ul>
        {items.map(letter => (
          <Letter key={letter.number} queue={queue} group={group} letter={letter} />
        ))}
      </ul>
      {discarded > 0 && (
        <p className="jp-RtmsgQueue-hint">
          {trans._n('%1 was discarded.', '%1 were discarded.', discarded, discarded.toLocaleString())}
        </p>
      )}
    </section>
  );
}

function summary({ items, count }: ILetters, trans: ITranslation): string {
  if (count === 0) {
    return trans.__('None: all events were handled, or have tries left.');
  }
  if (items.length < count) {
    return trans.__('%1 in all; the oldest %2 are shown.', count.toLocaleString(), items.length.toLocaleString());
  }
  return trans._n('%1 event could not be handled.', '%1 events could not be handled.', count, count.toLocaleString());
}

function allActions(queue: IQueueModel, { group, count }: ILetters, trans: ITranslation): readonly IAction[] {
  const number = count.toLocaleString();
  return [
    {
      label: trans.__('Redrive all'),
      python: lettersLine(group, 'redrive()'),
      run: () => queue.redrive(group, null)
    },
    {
      label: trans.__('Discard all'),
      python: lettersLine(group, 'discard()'),
      question: trans._n('Delete %1 dead letter for good?', 'Delete %1 dead letters for good?', count, number),
      run: () => queue.discard(group, null)
    }
  ];
}

interface ILetterProps {
  queue: IQueueModel;
  group: string;
  letter: ILetterItem;
}

function Letter({ queue, group, letter }: ILetterProps): JSX.Element {
  const trans = useTranslation();
  return (
    <li>
      <details className="jp-RtmsgQueue-letter">
        <summary>
          <span className="jp-RtmsgQueue-letterLabel">{letter.label}</span> <bdi>{letter.event}</bdi>{' '}
          <bdi className="jp-RtmsgQueue-letterError">{letter.error || letter.message || letter.reason}</bdi>
        </summary>
        <p>{details(letter, trans)}</p>
        {letter.message && letter.message !== letter.error && (
          <p>
            <bdi>{letter.message}</bdi>
          </p>
        )}
        {letter.data !== null && (
          <pre className="jp-RtmsgQueue-data" aria-label={trans.__('Data of %1', letter.label)} tabIndex={0}>
            {letter.data}
          </pre>
        )}
        {letter.traceback && (
          <pre className="jp-RtmsgQueue-traceback" aria-label={trans.__('Traceback of %1', letter.label)} tabIndex={0}>
            {letter.traceback}
          </pre>
        )}
        <ActionBar
          label={trans.__('Dead letter %1', letter.label)}
          actions={letterActions(queue, group, letter, trans)}
        />
      </details>
    </li>
  );
}

function details({ reason, deliveries, worker, sender, last }: ILetterItem, trans: ITranslation): string {
  const reasons: Record<string, string> = {
    tries: trans.__('Its handler raised too often'),
    rejected: trans.__('Its handler rejected it'),
    lost: trans.__('The processes that handled it died'),
    corrupt: trans.__('It was damaged on the disk of the server')
  };
  const parts = [
    reasons[reason] ?? reason,
    trans._n('%1 delivery', '%1 deliveries', deliveries, deliveries),
    worker && trans.__('last by %1', worker),
    sender && trans.__('emitted by %1', sender),
    last === null ? '' : new Date(last).toLocaleString()
  ];
  return parts.filter(Boolean).join(' · ');
}

function letterActions(
  queue: IQueueModel,
  group: string,
  letter: ILetterItem,
  trans: ITranslation
): readonly IAction[] {
  const { number, label } = letter;
  return [
    {
      label: trans.__('Redrive'),
      name: trans.__('Redrive %1', label),
      python: lettersLine(group, `redrive(${number})`),
      run: () => queue.redrive(group, [number])
    },
    {
      label: trans.__('Discard'),
      name: trans.__('Discard %1', label),
      python: lettersLine(group, `discard(${number})`),
      question: trans.__('Delete %1 for good?', label),
      run: () => queue.discard(group, [number])
    }
  ];
}
