import { defineConfig } from 'vitest/config';

// What needs no DOM is tested without one.
const projects = [
  { name: 'node', environment: 'node', include: ['tests/{hub,panel}/**/*.test.ts', 'tests/layers/*.test.mjs'] },
  { name: 'page', environment: 'happy-dom', include: ['tests/views/**/*.test.{ts,tsx}', 'tests/widget/**/*.test.ts'] }
];

export default defineConfig({
  test: {
    projects: projects.map(test => ({ esbuild: { jsx: 'automatic', jsxImportSource: 'preact' }, test }))
  }
});
