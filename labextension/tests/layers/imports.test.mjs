import { ESLint, Linter } from 'eslint';
import { beforeAll, describe, expect, it } from 'vitest';

// The rules of .eslintrc.json for a file of each folder, tried on lines that break them. Only these two rules run, so
// no types have to be computed.
const RULES = ['no-restricted-imports', 'no-restricted-globals'];
const linter = new Linter();
const eslint = new ESLint();

// The first configuration loads the plugins, which takes seconds on a slow machine.
beforeAll(() => eslint.calculateConfigForFile('src/index.ts'), 120_000);

async function faults(file, code) {
  const { rules } = await eslint.calculateConfigForFile(file);
  const chosen = Object.fromEntries(RULES.filter(name => name in rules).map(name => [name, rules[name]]));
  const parserOptions = { ecmaVersion: 2022, sourceType: 'module' };
  return linter.verify(code, { env: { browser: true }, parserOptions, rules: chosen }).map(fault => fault.ruleId);
}

const forbidden = [
  ['src/hub/room.ts', '../views/roomview'],
  ['src/hub/room.ts', '../panel/panel'],
  ['src/hub/room.ts', '../widget'],
  ['src/hub/room.ts', '../plugins/panel'],
  ['src/hub/room.ts', 'preact'],
  ['src/hub/room.ts', 'preact/hooks'],
  ['src/hub/room.ts', '@jupyterlab/apputils'],
  ['src/views/roomview.tsx', '../panel/panel'],
  ['src/views/roomview.tsx', '../panel'],
  ['src/views/roomview.tsx', '../widget/model'],
  ['src/views/roomview.tsx', '../plugins/client'],
  ['src/views/roomview.tsx', '../tokens'],
  ['src/views/roomview.tsx', '../hub/connection'],
  ['src/views/roomview.tsx', '@lumino/widgets'],
  ['src/widget/index.tsx', '../panel/roommodel'],
  ['src/widget/index.tsx', '../plugins/panel'],
  ['src/widget/index.tsx', '../hub/connection'],
  ['src/widget/index.tsx', '../hub/room'],
  ['src/widget/index.tsx', 'socket.io-client'],
  ['src/widget/index.tsx', '@jupyterlab/services'],
  ['src/panel/panel.tsx', '../widget/model'],
  ['src/panel/panel.tsx', '../plugins/panel']
];

const allowed = [
  ['src/hub/room.ts', './connection'],
  ['src/hub/connection.ts', 'socket.io-client'],
  ['src/views/roomview.tsx', '../hub/translation'],
  ['src/views/roomview.tsx', 'preact/hooks'],
  ['src/widget/index.tsx', '../views/roomview'],
  ['src/panel/panel.tsx', '../views/roomview'],
  ['src/panel/roommodel.ts', '../hub/room'],
  ['src/plugins/panel.ts', '../panel/panel']
];

describe('imports point down', () => {
  it.each(forbidden)('%s may not import %s', async (file, imported) => {
    expect(await faults(file, `import '${imported}';`)).toEqual(['no-restricted-imports']);
  });

  it.each(allowed)('%s may import %s', async (file, imported) => {
    expect(await faults(file, `import '${imported}';`)).toEqual([]);
  });

  it.each(['document.title;', 'window.name;', 'localStorage.length;', 'navigator.onLine;'])(
    'a file of hub/ may not use the DOM: %s',
    async code => {
      expect(await faults('src/hub/room.ts', code)).toEqual(['no-restricted-globals']);
      expect(await faults('src/views/roomview.tsx', code)).toEqual([]);
    }
  );
});
