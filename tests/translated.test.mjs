// What the front end says goes through JupyterLab's translator, so that a language pack can have it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SOURCE = fileURLToPath(new URL('../labextension/src', import.meta.url));
/** What is read or heard, as an attribute or a member: a tooltip, a command's label, a dialog's title. */
const SAID =
  /^(title|aria-label|aria-valuetext|aria-description|alt|placeholder|label|caption|hint)$/;
/** What no language has another word for. */
const NAMES = new Set(['EUR']);
/** Three words, the first as a sentence begins. */
const SENTENCE = /^[^A-Za-z]*[A-Z][\w']*,? [\w']+,? [\w']+/;
/** Read by no user, but by who writes an extension or calls a command. */
const INNER = new Set([
  "The file's format",
  "The cost of each cell in the sidebar, and the session's in the status bar.",
  "The Cost Meter's panel", // a kernel says it
  '… min … s', // units
  '… h … min'
]);
/** Four words that may be the end of a sentence: what a function answers is often put into one. */
const CLAUSE = /(^|[^\w.#-])([a-z][\w']*[,;:]?|…) [\w'…]+[,;:]? [\w'…]+[,;:]? [\w'…]+/;

const hasWord = text => /[A-Za-z]{2}/.test(text.replace(/&#?\w+;/g, '')) && !NAMES.has(text.trim());

function literal(node) {
  if (node === undefined) {
    return null;
  }
  if (ts.isJsxExpression(node) || ts.isParenthesizedExpression(node)) {
    return literal(node.expression);
  }
  if (ts.isArrowFunction(node)) {
    return literal(node.body);
  }
  if (ts.isTemplateExpression(node)) {
    return [node.head, ...node.templateSpans.map(span => span.literal)]
      .map(part => part.text)
      .join('…');
  }
  return ts.isStringLiteralLike(node) ? node.text : null;
}

/** Whether it is handed to the translator, maybe as one of several or by a choice. */
function isTranslated(node) {
  for (let up = node.parent; up !== undefined && !ts.isFunctionLike(up); up = up.parent) {
    if (ts.isCallExpression(up)) {
      const called = up.expression;
      return ts.isPropertyAccessExpression(called) && /^_?_[_n]$/.test(called.name.text);
    }
  }
  return false;
}

/** Whether it is what a function answers, maybe by a choice. */
function isAnswer(node) {
  let up = node.parent;
  while (ts.isConditionalExpression(up) || ts.isParenthesizedExpression(up)) {
    up = up.parent;
  }
  return ts.isReturnStatement(up) || ts.isArrowFunction(up);
}

function whatIsSaid(node) {
  if (ts.isJsxText(node)) {
    return node.text.trim();
  }
  if (ts.isJsxAttribute(node) || ts.isPropertyAssignment(node)) {
    const name = node.name.getText().replace(/['"]/g, '');
    return SAID.test(name) ? literal(node.initializer) : null;
  }
  const text = literal(node);
  const isSaid = text !== null && (SENTENCE.test(text) || (isAnswer(node) && CLAUSE.test(text)));
  return isSaid ? text : null;
}

/** What of a source is said, and not by the translator. */
function untranslated(text) {
  const file = ts.createSourceFile('x.tsx', text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const found = [];
  const look = node => {
    const said = whatIsSaid(node);
    if (said !== null && hasWord(said) && !INNER.has(said) && !isTranslated(node)) {
      found.push(said);
    }
    ts.forEachChild(node, look);
  };
  look(file);
  return [...new Set(found)];
}

const files = fs
  .readdirSync(SOURCE, { recursive: true })
  .filter(name => /\.tsx?$/.test(name))
  .sort();

test('all that is said is translated', () => {
  assert.ok(files.length > 80);
  const found = files.flatMap(name =>
    untranslated(fs.readFileSync(path.join(SOURCE, name), 'utf8')).map(said => `${name}: ${said}`)
  );
  assert.deepEqual(found, []);
});

test('what is not translated is found', () => {
  const cases = [
    '<button title="Say it">{words.__("Yes")}</button>',
    "<p aria-label={'Where it is'}>{x}</p>",
    '<p title={`Of ${name}`} />',
    '<p>Nothing runs.</p>',
    '<p>\n  {x} left\n</p>',
    "commands.addCommand(ID, { label: 'Open it' })",
    "showDialog({ title: () => 'Delete' })",
    "throw new Error('There is no kernel.')",
    'show(`Nothing was found in ${place}`)',
    "function one() { return 'upgrade it in the environment'; }",
    'function two() { return newer ? `this page is older ${said}: reload it` : words.__("x"); }',
    "const three = () => (known ? words.__('x') : 'it is not known here')"
  ];
  for (const one of cases) {
    assert.equal(untranslated(one).length, 1, one);
  }
});

test('what is translated is not', () => {
  const source = `
    // There is no such thing
    const one = words._n('There is one of them', 'There are %1 of them', count);
    const two = words.__(known ? 'It is known here' : 'It is not known', 'x');
    const jsx = <p className="jp-x" title={words.__('Where it is')}>{words.__('Where %1 is', name)}{' '}</p>;
    const three = { label: words.__('Open it') };
    const four = () => words.__('it is not known here');
    const five = () => 'jp-Costmeter-link jp-Costmeter-button';`;
  assert.deepEqual(untranslated(source), []);
});
