import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

/** Modules that node's tests import: they may know neither Jupyter nor React. */
const PURE = [
  'api',
  'budget',
  'budget-form',
  'budgets',
  'carbon',
  'carried',
  'costs',
  'desk',
  'feed',
  'flops',
  'forecast',
  'format',
  'lacking',
  'last-runs',
  'model',
  'notebook-budgets',
  'notices',
  'places',
  'rates',
  'regions',
  'rest',
  'shape',
  'share',
  'spent',
  'statement',
  'supposing',
  'tag-desk',
  'tag-form',
  'tags',
  'total',
  'versions',
  'words'
].map(name => `labextension/src/${name}.ts`);
const foreign = {
  group: ['@jupyterlab/*', '@lumino/*', 'react'],
  message: 'Pure: no Jupyter, no React.'
};

export default ts.config(
  { ignores: ['**/lib/**', 'node_modules/**', 'jupyter_costmeter/**', '**/*.py', '.venv/**'] },
  js.configs.recommended,
  {
    files: ['labextension/src/**/*.{ts,tsx}'],
    extends: [ts.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: 'labextension/tsconfig.json' } },
    plugins: { 'react-hooks': hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 50, skipBlankLines: true, skipComments: true }],
      // Lumino binds: signal.connect(this.slot, this)
      '@typescript-eslint/unbound-method': 'off',
      // numbers and booleans print as what they are
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off'
    }
  },
  { files: PURE, rules: { 'no-restricted-imports': ['error', { patterns: [foreign] }] } },
  {
    files: ['tests/*.mjs', 'labextension/style/*.js', 'eslint.config.mjs'],
    languageOptions: {
      globals: {
        console: 'readonly',
        URL: 'readonly',
        setImmediate: 'readonly',
        Response: 'readonly',
        setTimeout: 'readonly'
      }
    }
  }
);
