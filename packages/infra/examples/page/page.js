import { createClient } from '/client.js';

const $ = (id) => document.getElementById(id);
let mine;
let startedAt = 0;
/** Steps can arrive before the answer to the form does: they are kept until we know which sign-up is ours. */
const early = [];

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
  $('steps').replaceChildren();
  $('trace').textContent = '';
  $('result').hidden = true;
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
  const item = document.createElement('li');
  item.dataset.step = step;
  item.dataset.trace = traceId;
  const name = document.createElement('strong');
  name.textContent = step;
  const time = document.createElement('time');
  time.textContent = `+${Math.max(0, at - startedAt)} ms`;
  item.append(name, ' ', time, document.createElement('br'), detail);
  $('steps').append(item);
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
    if (person.trace.includes('queue.process')) return;
  }
}

function fillResult(id, person) {
  $('avatar-image').src = person.avatarUrl;
  $('person').textContent = `${person.name}, ${person.email}`;
  if (!$('email-frame').src.endsWith(`/people/${id}/email`)) $('email-frame').src = `/people/${id}/email`;
  $('trace-tree').textContent = person.trace;
  $('log-lines').textContent = person.log;
  $('result').hidden = false;
}

async function refresh() {
  const state = await (await fetch('/state')).json();
  $('people').textContent = `${state.people} (counted ${new Date(state.countedAt).toLocaleTimeString()})`;
  $('health').textContent = state.health;
  $('crons').textContent = state.crons
    .map((c) => `${c.name}: ${new Date(c.next).toLocaleString()}`)
    .join(', ');
  $('metrics').textContent = state.metrics;
  $('engines').textContent = state.engines;
}
void refresh();
setInterval(refresh, 10_000);
