import { beforeEach, expect, test } from 'vitest';

import { Names, title } from '../../src/hub/names';
import { ENGLISH } from '../../src/hub/translation';
import { sender } from './wire';

let names: Names;

beforeEach(() => {
  names = new Names(ENGLISH);
});

test('the user is added where it is called differently', () => {
  expect(names.of(sender({ name: 'train', user: 'ana' }))).toBe('train (ana)');
  expect(names.of(sender({ name: 'Ana', user: 'ana' }))).toBe('Ana');
});

test('the user of this page is "you"', () => {
  names.you = 'ana';
  expect(names.of(sender({ name: 'train', user: 'ana' }))).toBe('train (you)');
});

test('the user of a shared token is never "you"', () => {
  names.you = 'token:abc';
  expect(names.of(sender({ name: 'api', user: 'token:abc' }))).toBe('api (token:abc)');
});

test('the user that the server chose for a kernel is left out', () => {
  expect(names.of(sender({ name: 'hw1', user: 'token:kernel', notebook: 'ann/hw1.ipynb' }))).toBe('hw1');
});

test('the random user of a browser is left out', () => {
  expect(names.of(sender({ kind: 'browser', name: 'Anonymous Io', user: '0123456789abcdef'.repeat(2) }))).toBe(
    'Anonymous Io'
  );
});

test('an event of version 0.1.0 is called by its user', () => {
  const old = sender({ user: 'token:kernel' });
  delete old.name;
  expect(names.of(old)).toBe('token:kernel');
});

test('two notebooks of one name get the folders that tell them apart', () => {
  const [ann, bob] = ['ann', 'bob'].map(folder =>
    sender({ name: 'hw1', member: folder, notebook: `${folder}/hw1.ipynb` })
  );
  for (const who of [ann, bob]) {
    names.add(who as never);
  }
  expect([ann, bob].map(who => names.of(who as never))).toEqual(['ann/hw1 (ana)', 'bob/hw1 (ana)']);
});

test('an event without a path is named by the path that presence told', () => {
  names.add(sender({ name: 'hw1', member: 'm1', notebook: 'ann/hw1.ipynb' }));
  names.add(sender({ name: 'hw1', member: 'm2', notebook: 'bob/hw1.ipynb' }));
  expect(names.of(sender({ name: 'hw1', member: 'm2', notebook: null }))).toBe('bob/hw1 (ana)');
});

test('invisible characters are replaced, and long names are cut', () => {
  expect(names.of(sender({ name: 'a\u202Eb', user: 'a\u202Eb' }))).toBe('a\uFFFDb');
  expect(names.of(sender({ name: 'x'.repeat(65), user: 'x'.repeat(65) }))).toBe(`${'x'.repeat(63)}…`);
});

test('a title tells what the display name leaves out', () => {
  expect(title(sender({ notebook: 'ann/train.ipynb' }))).toBe('train · kernel · ana · ann/train.ipynb');
  expect(title(sender({ kind: 'client', name: 'ana' }))).toBe('script · ana');
});
