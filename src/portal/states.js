// What a view shows while it has nothing else: that it loads, that there is nothing, that something went wrong.

import { Refusal, session } from './api.js';
import { fill, h } from './dom.js';

export const loading = (what) => h('p', { class: 'loading', role: 'status' }, `Loading ${what} …`);

/**
 * Runs `work`, which fills `place`; until then it loads, and where it fails, `place` says why and offers to try again.
 * Where the namespace may be to blame (it is none, or not the user's), it shows what `otherwise(again)` gives, too.
 */
export async function load(place, signal, what, work, otherwise = () => null) {
  const again = () => load(place, signal, what, work, otherwise);
  place.replaceChildren(loading(what));
  try {
    await work();
  } catch (error) {
    if (signal.aborted) return;
    fill(place, problem(error, again), [400, 403].includes(error.status) && otherwise(again));
  }
}

/** What went wrong, and a way to try again; where waiting helps, that happens by itself. */
export function problem(error, again) {
  const told = asRefusal(error);
  const waits = again !== undefined && told.retryAfter > 0;
  const box = h('div', { class: 'box bad', role: 'alert' },
    h('h2', {}, told.title),
    h('p', {}, told.detail),
    waits && h('p', {}, `This page tries again in ${told.retryAfter} seconds.`),
    told.requestId && h('p', { class: 'faint' }, 'Request id: ', h('code', {}, told.requestId)),
    again && h('button', { type: 'button', onclick: again }, 'Try again'));
  // Once something else is shown, there is nothing to try again.
  // Nor is whoever is in the box to lose their place: there is the button.
  const retry = () => {
    if (!box.isConnected) return;
    if (box.contains(document.activeElement)) setTimeout(retry, told.retryAfter * 1000);
    else again();
  };
  if (waits) setTimeout(retry, told.retryAfter * 1000);
  return box;
}

function asRefusal(error) {
  if (error instanceof Refusal) return error;
  console.error(error);
  return new Refusal({ title: 'Something is wrong with this page', detail: `${error}. Load it again.` }, -1);
}

/** Asks which namespace to use from now on: whoever may not do something everywhere may do it in theirs. */
export function namespaceForm(again) {
  const input = h('input', { id: 'ask-namespace', autocomplete: 'off', spellcheck: 'false', required: true, value: session.namespace });
  const submit = (event) => {
    event.preventDefault();
    session.namespace = input.value.trim();
    again();
  };
  return h('form', { class: 'inline', onsubmit: submit },
    h('div', { class: 'field' }, h('label', { for: 'ask-namespace' }, 'Your namespace'), input),
    h('button', { type: 'submit' }, 'Use this namespace'));
}

/** Something worth knowing, at the top of a view. */
export function notice(kind, title, ...children) {
  return h('div', { class: `box ${kind}`, role: 'status' }, h('p', {}, h('strong', {}, title)), children);
}

/** Runs `work` again and again while the tab is visible: after five seconds, or longer where it takes its time. */
export function whileVisible(signal, work) {
  const LEAST = 5000;
  const MOST = 30_000;
  const tick = async () => {
    if (signal.aborted) return;
    const began = performance.now();
    if (!document.hidden) await work();
    if (!signal.aborted) setTimeout(tick, Math.min(MOST, Math.max(LEAST, 10 * (performance.now() - began))));
  };
  setTimeout(tick, LEAST);
}

const STAGES = {
  created: 'stored, not placed',
  placed: 'has its place, for life',
  syncing: 'is being made or changed',
  ready: 'can be used',
  deleting: 'is being deleted',
};

/** A claim's stage as a badge. */
export function stageBadge(stage) {
  return h('span', { class: `badge stage-${stage}`, title: STAGES[stage] }, stage);
}

export const stageMeaning = (stage) => STAGES[stage] ?? '';
