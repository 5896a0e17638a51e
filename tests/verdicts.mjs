// Budgets as the wire tells them, for the tests of the modules that read them.
export const total = (value, more = {}) => ({
  name: 'gpu_hours',
  unit: 'GPU-h',
  value,
  method: 'measured',
  measured_share: 1,
  missing: 0,
  uncertainty: null,
  sources: ['NVML'],
  reasons: [],
  ...more
});

/** 12.4 of 20 GPU-h of this week, for the project. */
export function verdict(more = {}) {
  return {
    id: 'b1',
    name: '',
    title: '20 GPU-h per week, project paper',
    measure: 'gpu_hours',
    unit: 'GPU-h',
    currency: null,
    limit: 20,
    granted: 0,
    scope: 'project',
    key: '/home/ada/paper',
    period: { kind: 'week', text: 'week', start: 1e9, end: 1e9 + 604800, zone: 'Europe/Berlin' },
    from: null,
    until: null,
    hold: 'warn',
    warn: [0.5, 0.8, 1],
    paused: false,
    cap: false,
    shared: false,
    origin: '/home/ada/.jupyter/jupyter_costmeter.toml:3',
    spent: total(12.4),
    left: 7.6,
    share: 0.62,
    state: 'ok',
    current: true,
    crossed: 0.5,
    text: '12.4 of 20 GPU-h this week (62 %), 7.6 GPU-h left',
    burn: null,
    lab: null,
    ...more
  };
}

/** The server's answer, with these budgets. */
export const list = (budgets, more = {}) => ({
  schema: 1,
  notebook: '/home/ada/paper/train.ipynb',
  project: '/home/ada/paper',
  project_name: 'paper',
  budgets,
  problems: [],
  ...more
});

export const pause = ms => new Promise(done => setTimeout(done, ms));

/** A server that gives these answers in turn (the last one for ever), and what it was asked. */
export function server(...answers) {
  const asked = [];
  const get = async (path, init = {}) => {
    const body = init.body === undefined ? undefined : JSON.parse(init.body);
    asked.push({ method: init.method ?? 'GET', url: new URL(`http://h/${path}`), body });
    const { status = 200, ...said } = answers.length > 1 ? answers.shift() : answers[0];
    return new Response(JSON.stringify(said), { status });
  };
  return { get, asked };
}

/** As soon as it is so; the machine may be busy. */
export async function until(isSo) {
  for (let tries = 0; tries < 400 && !isSo(); tries += 1) {
    await pause(5);
  }
}
