import { createClient } from '/client.js';

const $ = (id) => document.getElementById(id);
let mine;
let startedAt = 0;
/** Steps can arrive before the answer to the form does: they are kept until we know which sign-up is ours. */
const early = [];

/** An element with its text, and its class where one is given. */
function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/** Fills a table's body; a row is a list of elements. */
function fillTable(id, rows) {
  const cells = (row) => row.map((cell) => wrap('td', cell));
  const made = rows.map((row) => wrap('tr', ...cells(row)));
  $(id)
    .querySelector('tbody')
    .replaceChildren(...made);
}

function wrap(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

// An engine that cannot share the port of this page has an address of its own.
const { live: elsewhere } = await (await fetch('/state')).json();
const live = createClient({ url: elsewhere ?? `${location.origin.replace('http', 'ws')}/live` });
live.onState((state) => {
  $('live').dataset.state = state;
  $('live').textContent = state;
});
live.subscribe('sign-ups').on('step', (step) => {
  if (step.signUp === mine) show(step);
  else early.push(step);
  if (early.length > 200) early.shift();
});

$('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = event.target.querySelector('button');
  button.disabled = true;
  mine = undefined;
  startedAt = Date.now();
  forgetSteps();
  $('form-status').textContent = 'Sending…';
  try {
    const response = await fetch('/sign-up', { method: 'POST', body: new FormData(event.target) });
    const answer = await response.json();
    showProblems(answer.problems ?? {});
    if (!response.ok) return;
    mine = answer.id;
    for (const step of early.splice(0).filter((step) => step.signUp === mine)) show(step);
  } catch {
    $('form-status').textContent = 'The application did not answer. Is it still running?';
  } finally {
    button.disabled = false;
  }
});

function forgetSteps() {
  for (const item of document.querySelectorAll('#steps li')) {
    delete item.dataset.trace;
    item.querySelector('.seen').textContent = '';
  }
  $('trace').textContent = '';
  $('result').hidden = true;
}

function showProblems(problems) {
  for (const name of ['name', 'email', 'avatar']) {
    $(`${name}-problem`).textContent = problems[name] ?? '';
    $(name).setAttribute('aria-invalid', String(name in problems));
  }
  const fields = Object.keys(problems);
  $('form-status').textContent = fields.length ? problems[fields[0]] : 'Signed up. Watch the steps.';
  if (fields.length) $(fields[0])?.focus();
}

function show({ step, detail, traceId, at }) {
  const item = document.querySelector(`#steps li[data-step="${step}"]`);
  item.dataset.trace = traceId;
  const time = element('time', `+${Math.max(0, at - startedAt)} ms`);
  item.querySelector('.seen').replaceChildren(time, ` ${detail}`);
  $('trace').textContent = `All under one trace: ${traceId}`;
  if (step === 'e-mailed') void showResult(mine);
  void refresh();
}

async function showResult(id) {
  // A worker of another process tells its part a moment later.
  for (const wait of [0, 500, 2000]) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (id !== mine) return;
    const person = await (await fetch(`/people/${id}`)).json();
    fillResult(id, person);
    if (person.trace.some(({ name }) => name.startsWith('queue.process'))) return;
  }
}

function fillResult(id, person) {
  $('avatar-image').src = person.avatarUrl;
  $('person').textContent = `${person.name}, ${person.email}`;
  if (!$('email-frame').src.endsWith(`/people/${id}/email`)) $('email-frame').src = `/people/${id}/email`;
  $('log-lines').textContent = person.log;
  fillTrace(person.trace);
  $('result').hidden = false;
}

/** A span is a bar from its start to its end within the whole trace. */
function fillTrace(spans) {
  const whole = Math.max(1, ...spans.map(({ start, ms }) => start + ms));
  const bar = ({ start, ms }) => {
    const made = element('span', '', 'bar');
    made.style.marginInlineStart = `${(100 * start) / whole}%`;
    made.style.inlineSize = `${Math.max(1, (100 * ms) / whole)}%`;
    return made;
  };
  const name = (span) => {
    const made = element('span', span.name);
    made.style.paddingInlineStart = `${span.depth}ch`;
    return made;
  };
  fillTable(
    'trace-tree',
    spans.map((span) => [name(span), bar(span), span.ms.toFixed(1)]),
  );
}

async function refresh() {
  const state = await (await fetch('/state')).json();
  $('people').textContent = `${state.people} (counted ${new Date(state.countedAt).toLocaleTimeString()})`;
  $('health').replaceChildren(...state.health.map((check) => element('li', `${check.name} ${check.status}`)));
  $('crons').textContent = state.crons
    .map((cron) => `${cron.name} runs next ${new Date(cron.next).toLocaleString()}`)
    .join(', ');
  fillTable(
    'metrics',
    state.metrics.map(({ series, value }) => [element('code', series), value]),
  );
  fillTable(
    'engines',
    state.engines.map(({ module, driver, other }) => [
      module,
      element('strong', driver),
      element('code', other),
    ]),
  );
}

async function fillCode() {
  const excerpts = await (await fetch('/code')).json();
  for (const details of document.querySelectorAll('[data-code]')) {
    const { file, code } = excerpts[details.dataset.code];
    const summary = wrap('summary', 'The code: ', element('code', file));
    details.replaceChildren(summary, wrap('pre', element('code', code)));
  }
}

void fillCode();
void refresh();
setInterval(refresh, 10_000);
