// Bundles the widgets: src/widget/, as tsc has compiled it to lib/, with the views and Preact. Each widget is one ES
// module and one style sheet, for anywidget. `node widget.build.mjs` makes them for development, and
// `node widget.build.mjs --production` for a release.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { rspack } from '@rspack/core';

const WIDGETS = ['room', 'form', 'missed', 'queue', 'dashboard'];

const production = process.argv.includes('--production');
const root = import.meta.dirname;
const output = `${root}/../jupyter_rtmsg/widgets/static`;

const compiler = rspack({
  context: root,
  mode: production ? 'production' : 'development',
  devtool: production ? false : 'inline-source-map',
  target: ['web', 'es2020'],
  entry: Object.fromEntries(WIDGETS.map(name => [name, `./lib/widget/${name}.js`])),
  output: {
    path: output,
    filename: '[name].js',
    module: true,
    library: { type: 'module' },
    clean: true
  },
  // A widget is one file: what the panel loads when it is needed is in it from the start.
  module: { parser: { javascript: { dynamicImportMode: 'eager' } } },
  optimization: {
    splitChunks: false,
    runtimeChunk: false,
    minimizer: [
      // Comments like that of the banner stay.
      new rspack.SwcJsMinimizerRspackPlugin({ minimizerOptions: { format: { comments: 'some' } } })
    ]
  },
  plugins: [
    new rspack.BannerPlugin('Built from labextension/src. Contains Preact and flechette: LICENSE.*.'),
    new rspack.CopyRspackPlugin({
      patterns: [
        { from: 'node_modules/preact/LICENSE', to: 'LICENSE.preact', toType: 'file' },
        { from: 'node_modules/@uwdata/flechette/LICENSE', to: 'LICENSE.flechette', toType: 'file' }
      ]
    })
  ]
});

/** Return a style sheet with the ones that it imports in their places: anywidget takes one file. */
function inlined(path) {
  const imports = /@import url\('([^']+)'\);/g;
  return readFileSync(path, 'utf8').replace(imports, (_found, name) => inlined(resolve(dirname(path), name)).trim());
}

compiler.run((error, stats) => {
  if (error || stats.hasErrors()) {
    console.error(error ?? stats.toString({ colors: false }));
    process.exitCode = 1;
  } else {
    WIDGETS.forEach(name => {
      writeFileSync(`${output}/${name}.css`, inlined(`${root}/style/widget/${name}.css`));
    });
  }
  compiler.close(() => undefined);
});
