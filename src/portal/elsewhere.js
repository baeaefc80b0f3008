// Why a claim is not on another candidate, by today's catalog.

import { catalog, placement } from './api.js';
import { fill, h } from './dom.js';
import { loading, problem } from './states.js';

const FIELDS = ['cell', 'tier', 'environment', 'size', 'storageGB', 'ha'];

/** A button for each other candidate of the claim's cell, and the answer below them. */
export function elsewhere(namespace, parameters, signal) {
  const place = h('div', {}, loading('the candidates'));
  const begin = async () => {
    try {
      const { cells } = await catalog(signal, namespace);
      fill(place, questions(cells.find(({ name }) => name === parameters.cell), namespace, parameters, signal));
    } catch (error) {
      if (!signal.aborted) fill(place, problem(error, begin));
    }
  };
  begin();
  return place;
}

function questions(cell, namespace, parameters, signal) {
  if (!cell) return h('p', {}, `The catalog has no cell ${parameters.cell ?? ''} any more.`);
  const isHere = ({ provider, region, runtimeCluster }) =>
    provider === parameters.provider && region === parameters.region && runtimeCluster === parameters.runtimeCluster;
  const others = cell.candidates.filter((candidate) => !isHere(candidate));
  if (others.length === 0) return h('p', {}, 'The cell has no other candidate.');
  const answer = h('div', { role: 'status' });
  const body = { namespace, ...Object.fromEntries(FIELDS.filter((field) => field in parameters).map((field) => [field, parameters[field]])) };
  let asked = new AbortController();
  const ask = async (name) => {
    asked.abort();
    asked = new AbortController();
    const mine = AbortSignal.any([asked.signal, signal]);
    try {
      const { whyNot } = await placement(body, mine, name);
      fill(answer, h('div', { class: 'box' }, h('h3', {}, `Why not ${name}?`), whyNot.text.split('\n').map((line) => h('p', {}, line))));
    } catch (error) {
      if (!mine.aborted) fill(answer, problem(error, () => ask(name)));
    }
  };
  return [
    h('p', { class: 'hint' }, 'Answered by today’s catalog, as if you asked for this claim now. The claim stays where it is.'),
    h('div', { class: 'buttons' }, others.map(({ name }) => h('button', { type: 'button', onclick: () => ask(name) }, `Why not ${name}?`))),
    answer,
  ];
}
