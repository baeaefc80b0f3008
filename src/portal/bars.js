// A decision as a picture: a bar for each candidate, stacked by dimension, and the same in numbers.

import { h, scrolling, table } from './dom.js';

/** How many colours the style sheet has for dimensions. */
const COLOURS = 8;

/**
 * A decision in the form that is drawn.
 * @typedef {{name: string, place: string, rank: number|null, score: number|null,
 *   breakdown: {dimension: string, score: number, weight: number, points: number}[], failures: string[]}} Candidate
 * @typedef {{winner: string|null, weights: Record<string, number>, candidates: Candidate[], more: string[]}} Weighed
 */

/** What POST /api/placement answers, to be drawn. */
export function ofDecision({ winner, weights, candidates }) {
  return {
    winner,
    weights,
    candidates: candidates.map((candidate) => ({
      ...candidate,
      place: `${candidate.provider} · ${candidate.region} · ${candidate.runtimeCluster}`,
      failures: candidate.failures.map((failure) => failure.message),
    })),
    more: [],
  };
}

/** What a claim's annotation holds, to be drawn: the best three with their points, and what kept the others out. */
export function ofReason(reason) {
  const { winner, weights, ranking, fit, excluded, excludedByCause } = reason;
  const place = ({ candidate }) => candidate === winner?.candidate
    ? `${winner.provider} · ${winner.region} · ${winner.runtimeCluster}` : '';
  const ranked = ranking.map((one, i) => ({
    name: one.candidate, place: place(one), rank: i + 1, score: one.score, breakdown: one.breakdown, failures: [],
  }));
  const out = (excluded ?? []).map((one) => ({
    name: one.candidate, place: '', rank: null, score: null, breakdown: [], failures: one.failures.map(failureText),
  }));
  const others = fit - ranking.length;
  return {
    winner: winner?.candidate ?? null,
    weights,
    candidates: [...ranked, ...out],
    more: [
      others > 0 ? `${others} more fit, with fewer points` : '',
      ...(excludedByCause ?? []).map(({ cause, count }) => `${count} did not fit: ${causeText(cause)}`),
    ].filter(Boolean),
  };
}

function failureText({ gate, detail }) {
  switch (gate) {
    case 'Provider': return `its provider is cordoned (${detail})`;
    case 'Region': return `its region is cordoned (${detail})`;
    case 'Candidate': return `cordoned (${detail})`;
    case 'Capability': return `lacks ${detail}`;
    case 'Policy': return `fails policy ${detail}`;
    default: return `${gate}: ${detail}`;
  }
}

function causeText(cause) {
  if (cause.lacks) return `lacks ${cause.lacks}`;
  if (cause.policy) return `fails policy ${cause.policy}`;
  return cause === 'cordoned' ? 'cordoned' : 'fails other policies';
}

/** The picture of a Weighed. */
export function picture(weighed) {
  const dimensions = Object.keys(weighed.weights);
  const bars = weighed.candidates.map((candidate) => row(candidate, weighed.winner, dimensions));
  return h('div', { class: 'picture' },
    legend(weighed.weights),
    h('ol', { class: 'bars' }, bars),
    weighed.more.map((line) => h('p', { class: 'faint' }, line)),
    numbers(weighed, dimensions));
}

/** What each dimension counts. */
export function legend(weights) {
  return h('ul', { class: 'legend', 'aria-label': 'Weights by dimension' }, Object.entries(weights).map(([dimension, weight], i) =>
    h('li', {}, h('span', { class: `swatch dim-${i % COLOURS}` }), `${dimension} × ${weight}`)));
}

/** Parts of 1, one after the other. */
export function stacked(label, parts) {
  return h('div', { class: 'bar', role: 'img', 'aria-label': label }, parts.map((share, i) => {
    const part = h('span', { class: `dim-${i % COLOURS}` });
    part.style.width = `${share * 100}%`;
    return part;
  }));
}

function row(candidate, winner, dimensions) {
  const { name, place, rank, score, breakdown, failures } = candidate;
  const wins = name === winner;
  const points = new Map(breakdown.map((part) => [part.dimension, part.points]));
  const mark = wins ? h('span', { class: 'badge good' }, 'Winner')
    : rank === null ? h('span', { class: 'badge' }, 'Does not fit') : h('span', { class: 'badge' }, `No. ${rank}`);
  const told = breakdown.map((part) => `${part.dimension} ${part.points}`).join(', ');
  return h('li', { class: wins ? 'wins' : rank === null ? 'out' : '' },
    h('div', { class: 'line' },
      h('span', { class: 'who' }, h('strong', {}, name), ' ', mark),
      score !== null && h('span', { class: 'score' }, rank === null ? `would have ${score}` : `${score} points`)),
    place && h('div', { class: 'faint' }, place),
    breakdown.length > 0 && stacked(`${name}: ${told}`, dimensions.map((dimension) => points.get(dimension) ?? 0)),
    failures.map((failure) => h('p', { class: 'failure' }, failure)));
}

function numbers(weighed, dimensions) {
  const known = weighed.candidates.filter((candidate) => candidate.breakdown.length > 0);
  if (known.length === 0) return null;
  const cell = (candidate, dimension) => {
    const part = candidate.breakdown.find((one) => one.dimension === dimension);
    return part ? `${part.score} × ${part.weight} = ${part.points}` : '–';
  };
  const rows = known.map((candidate) => [
    candidate.name, ...dimensions.map((dimension) => cell(candidate, dimension)), String(candidate.score),
  ]);
  return h('details', {},
    h('summary', {}, 'The numbers'),
    scrolling('Points by candidate and dimension', table(['Candidate', ...dimensions, 'Total'], rows)));
}
