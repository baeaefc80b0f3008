// One claim: where it is and why, how far it has come, and what can be asked or done about it.

import { status } from './api.js';
import { ofReason, picture } from './bars.js';
import { code, copyButton, fill, h, refreshTimes, scrolling, table, terms, when } from './dom.js';
import { deletion } from './deletion.js';
import { load, notice, problem, stageBadge, stageMeaning, whileVisible } from './states.js';
import { elsewhere } from './elsewhere.js';
import { yaml } from './yaml.js';

const REASON = 'platform.example.org/placement-reason';

export const title = (namespace, name) => `${namespace}/${name}`;

export function show(place, signal, namespace, name) {
  load(place, signal, 'the claim', async () => {
    const found = await status(namespace, name, signal);
    build(place, signal, found, namespace, name);
  });
}

function build(place, signal, found, namespace, name) {
  const news = h('div', {});
  const parts = sections(signal);
  const remove = deletion(namespace, name, signal, (told) => { fill(news, told); delete news.dataset.from; refresh(); });
  const refresh = async () => {
    try {
      const now = await status(namespace, name, signal);
      parts.forEach((part) => part.update(now));
      refreshTimes(place);
      if (news.dataset.from) fill(news);
      delete news.dataset.from;
    } catch (error) {
      if (signal.aborted || (news.dataset.from === String(error.status) && news.hasChildNodes())) return;
      const gone = error.status === 404;
      fill(news, gone ? notice('warn', 'It is gone.', h('p', {}, h('a', { href: '#/claims' }, 'To the claims'))) : problem(error));
      news.dataset.from = String(error.status);
    }
  };
  parts.forEach((part) => part.update(found));
  const [where, why, others, ...rest] = parts.map((part) => part.element);
  fill(place, news, where, h('div', { class: 'columns' },
    h('div', { class: 'stack' }, why, others),
    h('div', { class: 'stack' }, rest, remove)));
  whileVisible(signal, refresh);
}

/** The parts of the page, each drawn anew only when what it shows has changed. */
function sections(signal) {
  return [
    part('Placement', ({ claim, stage }) => [claim.spec?.parameters, stage, known(claim.metadata)], overview),
    part('Why here', ({ claim }) => reasonOf(claim), why),
    part('Why not elsewhere?', ({ claim }) => [claim.metadata.namespace, claim.spec?.parameters],
      ([namespace, parameters]) => elsewhere(namespace, parameters ?? {}, signal)),
    part('Conditions', ({ claim }) => claim.status?.conditions ?? [], conditions),
    part('Connection', ({ connectionSecret }) => connectionSecret, connection),
    manifest(),
  ];
}

function part(heading, select, draw) {
  const body = h('div', {});
  let drawn = null;
  return {
    element: h('section', { class: 'card' }, h('h2', {}, heading), body),
    update: (found) => {
      const selected = select(found);
      const text = JSON.stringify(selected ?? null);
      if (text === drawn) return;
      drawn = text;
      fill(body, draw(selected));
    },
  };
}

/** What the overview shows of the metadata, most of which changes all the time. */
function known({ creationTimestamp, deletionTimestamp, finalizers }) {
  return { creationTimestamp, deletionTimestamp, finalizers: deletionTimestamp && finalizers };
}

function overview([parameters, stage, metadata]) {
  const { provider, region, runtimeCluster, network, cell, tier, environment, size, storageGB, ha } = parameters ?? {};
  return [
    h('p', { class: 'place' }, provider ? `${provider} · ${region ?? '–'} · ${runtimeCluster ?? '–'}` : 'It has no place yet.'),
    h('p', {}, stageBadge(stage), ` It ${stage === 'created' ? 'is ' : ''}${stageMeaning(stage)}.`),
    !provider && h('p', {}, 'It is older than the platform’s webhook, or was made without it, and is never placed. Tell your platform team.'),
    terms([
      ['Cell', cell], ['Tier', tier], ['Environment', environment], ['Size', size],
      ['Storage', storageGB === undefined ? null : `${storageGB} GiB`], ['High availability', ha ? 'yes' : 'no'],
      ['Created', when(metadata.creationTimestamp)],
      ['Being deleted since', metadata.deletionTimestamp && when(metadata.deletionTimestamp)],
      ['Waits for', metadata.deletionTimestamp && metadata.finalizers?.join(', ')],
    ]),
    network && h('details', {}, h('summary', {}, 'Network'), terms(Object.entries(network).map(([key, value]) => [key, String(value)]))),
  ];
}

/** The reason in the claim's annotation: an object, or null where there is none that can be read. */
function reasonOf(claim) {
  try {
    return JSON.parse(claim.metadata?.annotations?.[REASON] ?? 'null');
  } catch {
    return null;
  }
}

/** A reason as text and picture; whatever somebody wrote into the annotation, the rest of the page stands. */
function why(reason) {
  try {
    return told(reason);
  } catch {
    return h('p', {}, 'The claim has no reason that this page can read.');
  }
}

/** The beginning of a hash; the whole of it where the pointer rests. */
const hash = (text) => h('code', { title: text }, text.slice(0, 12));

function told(reason) {
  const { winner, requirements, fit, candidates, catalogRevision, digest, ranking } = reason;
  const needs = requirements.capabilities.length > 0 ? `requires ${requirements.capabilities.join(', ')}` : 'requires nothing special';
  const second = ranking[1];
  return [
    winner && h('p', {}, `${winner.candidate} has the most points, ${winner.score}, of the ${fit} of ${candidates} candidates that fit.`,
      second && ` Next is ${second.candidate} with ${second.score}.`),
    h('p', { class: 'faint' }, `Tier ${reason.request.tier}: RTO ${requirements.rtoMinutes} min, RPO ${requirements.rpoMinutes} min; ${needs}. `
      + 'Decided with catalog ', hash(catalogRevision), digest && [', digest ', hash(digest)], '.'),
    picture(ofReason(reason)),
  ];
}

function conditions(all) {
  if (all.length === 0) return h('p', {}, 'None yet: nothing has begun to make the database.');
  return scrolling('Conditions', table(['Type', 'Status', 'Reason', 'Message', 'Since'], all.map((one) =>
    [one.type, one.status, one.reason ?? '–', one.message || '–', when(one.lastTransitionTime)])));
}

function connection({ name, exists, reason }) {
  if (name === null) return h('p', {}, 'There is no connection Secret yet. It is named once the database is being made.');
  const known = exists === null ? `: it is not known whether it exists (${reason ?? 'no reason given'}).`
    : exists ? ' exists in the claim’s namespace. Mount it to connect.' : ' does not exist yet.';
  return h('p', {}, 'Secret ', h('code', {}, name), known);
}

function manifest() {
  const text = code('The claim as YAML', '');
  return {
    element: h('section', { class: 'card' },
      h('h2', {}, 'The claim'),
      h('details', {},
        h('summary', {}, 'As it is stored, in YAML'),
        h('div', { class: 'head' }, copyButton('YAML', () => text.textContent)),
        text)),
    update: ({ claim }) => {
      const now = yaml(claim);
      if (text.textContent !== now) text.firstChild.textContent = now;
    },
  };
}
