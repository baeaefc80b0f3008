// The list of claims: filtered, sorted and refreshed in the page, however many there are.

import { claims, session } from './api.js';
import { count, fill, h, refreshTimes } from './dom.js';
import { load, problem, whileVisible } from './states.js';
import { claimTable } from './rows.js';

/** How many rows are added at a time. */
const STEP = 200;

const SELECTS = ['cell', 'tier', 'provider', 'stage'];

const fresh = () => ({ text: '', cell: '', tier: '', provider: '', stage: '', sort: 'name', down: false });

/** What is looked for, so that coming back from a claim finds it again. */
let wanted = fresh();

export const title = () => 'Claims';

export function forget() {
  wanted = fresh();
}

export function show(place, signal) {
  const list = h('div', {});
  const namespace = namespacePicker(() => start(list, signal));
  fill(place, namespace, list);
  start(list, signal);
}

/** Those of one namespace, or of all. */
function namespacePicker(onChange) {
  const input = h('input', { id: 'namespace', autocomplete: 'off', spellcheck: 'false', value: session.namespace, placeholder: 'all' });
  const submit = (event) => {
    event.preventDefault();
    session.namespace = input.value.trim();
    onChange();
  };
  return h('form', { class: 'inline', onsubmit: submit },
    h('div', { class: 'field' }, h('label', { for: 'namespace' }, 'Namespace'), input),
    h('button', { type: 'submit' }, 'Show'));
}

let started = new AbortController();

function start(list, viewSignal) {
  started.abort();
  started = new AbortController();
  const signal = AbortSignal.any([started.signal, viewSignal]);
  load(list, signal, 'the claims', async () => {
    const progress = list.firstChild;
    const found = await claims(session.namespace, signal, (so) => { progress.textContent = `Loading the claims … ${count(so, 'claim')} so far`; });
    build(list, signal, found);
  }, () => h('p', {}, 'Enter the namespace that is yours above, and press Show.'));
}

function build(list, signal, found) {
  let all = found;
  let most = STEP;
  const said = h('p', { class: 'said', role: 'status' });
  const stale = h('div', {});
  const more = h('button', { type: 'button' });
  const none = h('div', {});
  const rows = claimTable(wanted, () => draw());
  const filters = filterBar(() => { most = STEP; draw(); });

  const draw = () => {
    filters.offer(all);
    const fitting = sorted(all.filter(fits(wanted)));
    const shown = fitting.slice(0, most);
    rows.show(shown);
    rows.element.hidden = shown.length === 0;
    more.hidden = fitting.length <= most;
    more.textContent = `Show ${Math.min(STEP, fitting.length - most)} more`;
    say(said, shown.length, fitting.length, all.length);
    fill(none, shown.length === 0 && empty(all.length, () => { filters.clear(); most = STEP; draw(); }));
  };
  more.addEventListener('click', () => {
    const first = most;
    most += STEP;
    draw();
    rows.focus(first);
  });

  fill(list, filters.element, said, stale, rows.element, none, h('div', { class: 'actions' }, more));
  draw();
  whileVisible(signal, async () => {
    try {
      all = await claims(session.namespace, signal, () => {});
      fill(stale);
      draw();
      refreshTimes(list);
    } catch (error) {
      if (signal.aborted || (stale.dataset.of === String(error.status) && stale.hasChildNodes())) return;
      stale.dataset.of = String(error.status);
      fill(stale, problem(error));
    }
  });
}

function say(said, shown, fitting, all) {
  const number = (value) => value.toLocaleString('en');
  const text = fitting < all ? `Showing ${number(shown)}${shown < fitting ? ` of ${number(fitting)}` : ''} that fit, of ${count(all, 'claim')}`
    : shown < all ? `Showing ${number(shown)} of ${count(all, 'claim')}` : count(all, 'claim');
  if (said.textContent !== text) said.textContent = text;
}

function empty(all, clear) {
  if (all > 0) {
    return h('div', { class: 'box' },
      h('p', {}, 'No claim fits the filter.'),
      h('button', { type: 'button', onclick: clear }, 'Clear the filter'));
  }
  return h('div', { class: 'box' },
    h('p', {}, 'There are no claims here yet.'),
    h('p', {}, h('a', { href: '#/request' }, 'Request a database')));
}

function fits({ text, ...asked }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (claim) => SELECTS.every((field) => !asked[field] || claim[field] === asked[field])
    && words.every((word) => searched(claim).includes(word));
}

/** The text of each claim in which words are looked for. */
const texts = new WeakMap();

function searched(claim) {
  let text = texts.get(claim);
  if (text === undefined) {
    const { namespace, name, cell, tier, environment, size, provider, region, runtimeCluster, stage } = claim;
    text = [`${namespace}/${name}`, cell, tier, environment, size, provider, region, runtimeCluster, stage].join(' ').toLowerCase();
    texts.set(claim, text);
  }
  return text;
}

const ORDER = new Intl.Collator('en', { numeric: true }).compare;

function sorted(found) {
  const { sort, down } = wanted;
  const by = (a, b) => {
    const [one, other] = [a[sort] ?? '', b[sort] ?? ''];
    const order = typeof one === 'string' && typeof other === 'string' ? ORDER(one, other) : Number(one) - Number(other);
    return (down ? -order : order) || ORDER(a.namespace, b.namespace) || ORDER(a.name, b.name);
  };
  return found.sort(by);
}

function filterBar(onChange) {
  const text = h('input', {
    id: 'filter-text', type: 'search', value: wanted.text, autocomplete: 'off', spellcheck: 'false',
    oninput: () => { wanted.text = text.value; onChange(); },
  });
  const select = (field) => h('select', {
    id: `filter-${field}`,
    onchange: ({ target }) => { wanted[field] = target.value; onChange(); },
  });
  const selects = SELECTS.map((field) => [field, select(field)]);
  const labelled = (label, control) => h('div', { class: 'field' }, h('label', { for: control.id }, label), control);
  return {
    element: h('form', { class: 'filters', role: 'search', 'aria-label': 'Filter the claims', onsubmit: (event) => event.preventDefault() },
      labelled('Text', text),
      selects.map(([field, control]) => labelled(field[0].toUpperCase() + field.slice(1), control))),
    /** Offers the words that the claims have. */
    offer: (all) => selects.forEach(([field, control]) => offer(control, all, field)),
    clear: () => {
      Object.assign(wanted, { text: '', cell: '', tier: '', provider: '', stage: '' });
      text.value = '';
      selects.forEach(([, control]) => { control.value = ''; });
      text.focus();
    },
  };
}

function offer(select, all, field) {
  const words = new Set(all.map((claim) => claim[field]).filter(Boolean));
  if (wanted[field]) words.add(wanted[field]);
  const offered = [...words].sort(ORDER);
  if (select.dataset.offered === JSON.stringify(offered)) return;
  select.dataset.offered = JSON.stringify(offered);
  fill(select, h('option', { value: '' }, 'all'), offered.map((word) => h('option', { value: word }, word)));
  select.value = wanted[field];
}
