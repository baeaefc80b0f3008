// The catalog: what can be asked for, where it may run, and what is not in force.

import { catalog } from './api.js';
import { legend, stacked } from './bars.js';
import { fill, h, scrolling, table, terms } from './dom.js';
import { load, namespaceForm } from './states.js';

export const title = () => 'Catalog';

export function show(place, signal) {
  load(place, signal, 'the catalog', async () => {
    const found = await catalog(signal);
    fill(place,
      h('p', { class: 'lead' }, 'What can be requested, and where it may run. Revision ',
        h('code', { title: found.revision }, found.revision.slice(0, 12)), '.'),
      notAccepted(found.notAccepted),
      section('Cells', found.cells, (cells) => cells.map(cell), 'There are no cells.'),
      section('Tiers', found.tiers, (tiers) => h('div', { class: 'grid' }, tiers.map(tier)), 'There are no tiers.'),
      section('Providers', found.providers, providers, 'There are no providers.'),
      section('Policies', found.policies, (policies) => h('div', { class: 'stack' }, policies.map(policy)),
        'There are no policies: only tiers and capabilities decide.'));
  }, namespaceForm);
}

function section(heading, all, draw, none) {
  return h('section', {}, h('h2', {}, heading), all.length > 0 ? draw(all) : h('p', {}, none));
}

function notAccepted(all) {
  if (all.length === 0) return null;
  return h('section', { class: 'box warn' },
    h('h2', {}, 'Not in force'),
    h('p', {}, 'These objects are there, and something is wrong with them.'),
    scrolling('Objects that are not in force', table(['Object', 'Why'], all.map(({ kind, name, why }) => [`${kind} ${name}`, why]))));
}

function cell({ name, environments, candidates }) {
  return h('section', { class: 'cell' },
    h('h3', {}, name),
    h('p', { class: 'faint' }, `Environments: ${environments.join(', ')}`),
    h('div', { class: 'grid' }, candidates.map(candidate)));
}

function candidate({ name, provider, region, runtimeCluster, network, capabilities, scores, closed }) {
  return h('article', { class: closed.length > 0 ? 'card closed' : 'card' },
    h('h4', {}, name, closed.length > 0 && [' ', h('span', { class: 'badge bad' }, 'Closed')]),
    closed.map((why) => h('p', { class: 'failure' }, `Takes no new claims: ${why}.`)),
    h('p', { class: 'faint' }, `${provider} · ${region} · ${runtimeCluster}`),
    chips('Capabilities', capabilities),
    h('dl', { class: 'scores' }, Object.entries(scores).map(([dimension, score]) => scoreLine(dimension, score))),
    h('details', {}, h('summary', {}, 'Network'), terms(Object.entries(network))));
}

function scoreLine(dimension, score) {
  const bar = h('span', {});
  bar.style.width = `${score * 100}%`;
  return h('div', {},
    h('dt', {}, dimension),
    h('dd', {}, h('span', { class: 'bar thin', 'aria-hidden': 'true' }, bar), h('span', { class: 'score' }, String(score))));
}

function chips(label, words) {
  if (words.length === 0) return null;
  return h('ul', { class: 'chips', 'aria-label': label }, words.map((word) => h('li', {}, word)));
}

function tier({ name, rtoMinutes, rpoMinutes, requires, weights }) {
  const told = Object.entries(weights).map(([dimension, weight]) => `${dimension} ${weight}`).join(', ');
  return h('article', { class: 'card' },
    h('h3', {}, name),
    terms([
      ['RTO', `${rtoMinutes} min`],
      ['RPO', `${rpoMinutes} min`],
    ]),
    h('p', { class: 'faint' }, requires.length > 0 ? 'Requires' : 'Requires nothing special'),
    chips('Required capabilities', requires),
    h('p', { class: 'faint' }, 'What counts'),
    stacked(`Weights: ${told}`, Object.values(weights)),
    legend(weights));
}

function providers(all) {
  return scrolling('Providers', table(['Provider', 'New claims'], all.map(({ name, closed }) =>
    [name, closed === null ? 'taken' : `closed: ${closed}`])));
}

function policy({ name, mode, match, validations }) {
  const where = Object.entries(match).map(([what, names]) => `${what} ${names.join(', ')}`).join('; ');
  return h('article', { class: 'card' },
    h('h3', {}, name, ' ', h('span', { class: 'badge' }, mode)),
    h('p', { class: 'faint' }, where ? `For ${where}.` : 'For every claim.'),
    h('ul', {}, validations.map(({ expression, message, messageExpression }) =>
      h('li', {}, message ?? h('code', {}, messageExpression), h('br', {}), h('code', {}, expression)))));
}
