// How busy the GPUs were that a cell holds, with the marks that keep it honest.
import assert from 'node:assert/strict';
import test from 'node:test';
import React from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { Busy } from '../labextension/lib/parts/used.js';
import { text, viewed } from './drawn.mjs';

const total = (name, more) => ({
  name,
  unit: 's',
  value: 8,
  method: 'measured',
  measured_share: 1,
  missing: 0,
  uncertainty: null,
  sources: [],
  reasons: [],
  ...more
});

function busy(held, used) {
  const totals = [total('gpu_reserved_s', held), total('gpu_busy_s', used)];
  return text(renderToStaticMarkup(viewed(React.createElement(Busy, { cell: { totals } }))));
}

test("what is not measured, or missing, of either is marked in a running cell's row", () => {
  const cases = [
    [{}, { value: 2 }, 'GPU 25 % busy'],
    [{}, { value: 2, method: 'modelled' }, 'GPU ~25 % busy'],
    [{ method: 'assumed' }, { value: 2 }, 'GPU ~25 % busy'],
    [{}, { value: 2, missing: 1 }, 'GPU ≥ 25 % busy'],
    [{ missing: 1 }, { value: 2 }, 'GPU ≤ 25 % busy'],
    [{ missing: 1 }, { value: 2, missing: 1 }, ''],
    [{}, { value: null }, ''],
    [{ value: 0 }, { value: 0 }, '']
  ];
  for (const [held, used, said] of cases) {
    assert.equal(busy(held, used), said);
  }
});
