// Requesting a database: the form, and beside it the decision as it would be made now.

import { Refusal, catalog, create, placement, session } from './api.js';
import { ofDecision, picture } from './bars.js';
import { code, copyButton, fill, h, scrolling, table } from './dom.js';
import { requestForm } from './form.js';
import { claimAddress, go } from './route.js';
import { load, namespaceForm, notice, problem } from './states.js';
import { yaml } from './yaml.js';

/** How long nothing must change before the decision is asked for, in milliseconds. */
const STILL = 250;

/** What a decision depends on. */
const WEIGHED = ['namespace', 'cell', 'environment', 'tier', 'size', 'storageGB', 'ha'];

/** What was typed last, so that going elsewhere and back loses nothing. */
let draft = {};

export const title = () => 'Request a database';

export function forget() {
  draft = {};
}

export function show(place, signal) {
  load(place, signal, 'the catalog', async () => {
    const offered = await catalog(signal);
    if (offered.cells.length === 0 || offered.tiers.length === 0) {
      fill(place, h('p', { class: 'box' }, 'The catalog has no cells or no tiers yet, so nothing can be requested. Ask your platform team.'));
      return;
    }
    build(place, signal, offered);
  }, namespaceForm);
}

function build(place, signal, offered) {
  const decision = decisionPanel();
  const alerts = h('div', { role: 'alert' });
  const manifest = code('Manifest', '');
  let asked = new AbortController();
  let timer = 0;
  // The fields of which the last decision has said that something is wrong with them.
  let complained = [];

  const form = requestForm(offered, { namespace: session.namespace, ...draft }, () => {
    draft = form.values();
    fill(alerts);
    tell();
    clearTimeout(timer);
    timer = setTimeout(decide, STILL);
  });

  const tell = () => { manifest.firstChild.textContent = manifestOf(form.values()); };

  const decide = async () => {
    asked.abort();
    asked = new AbortController();
    const mine = AbortSignal.any([asked.signal, signal]);
    const { name, ...body } = form.values();
    decision.busy();
    try {
      const found = await placement(body, mine);
      form.accept(complained);
      complained = [];
      decision.show(found);
    } catch (error) {
      if (mine.aborted) return;
      form.accept(complained);
      complained = (error.errors ?? []).map(({ field }) => field).filter((field) => WEIGHED.includes(field));
      const others = form.refuse(error.errors ?? []);
      if (error.status === 403 && !body.namespace) decision.wait('Enter your namespace to see where it would go.');
      else decision.refuse(error, complained.length > 0, others, decide);
    }
  };

  const submit = async (event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    fill(alerts);
    try {
      const made = await create(form.values(), signal);
      draft = {};
      go(claimAddress(made.namespace, made.name), outcome(made));
    } catch (error) {
      if (signal.aborted) return;
      if (error.decision) {
        clearTimeout(timer);
        asked.abort();
        decision.show(error.decision);
      }
      const others = form.refuse(error.errors ?? []);
      if (others.length > 0 || !error.errors?.length) fill(alerts, refused(error, others));
      form.focusFirst();
    } finally {
      button.removeAttribute('aria-disabled');
    }
  };

  const button = h('button', { type: 'submit', class: 'main' }, 'Request database');
  form.element.addEventListener('submit', submit);
  form.element.append(alerts, h('div', { class: 'actions' }, button));
  fill(place,
    h('p', { class: 'lead' }, 'Say what you need. The platform decides which cloud and region it runs in, at once and for life, and tells you why.'),
    h('div', { class: 'columns' },
      form.element,
      h('div', { class: 'stack' },
        decision.element,
        h('section', { class: 'card', 'aria-labelledby': 'manifest' },
          h('div', { class: 'head' }, h('h2', { id: 'manifest' }, 'For GitOps'), copyButton('manifest', () => manifest.textContent)),
          h('p', { class: 'hint' }, 'The same request as a manifest. Commit it instead of pressing the button.'),
          manifest))));
  tell();
  decide();
}

function refused(error, others) {
  if (error.decision) {
    return h('div', { class: 'box bad' },
      h('p', {}, h('strong', {}, `${error.title}; nothing was created.`)),
      h('p', {}, `${error.decision.summary}. “Where it would go” says what each candidate lacks, and what to do.`));
  }
  if (!(error instanceof Refusal) || others.length === 0) return problem(error);
  return h('div', { class: 'box bad' },
    h('p', {}, h('strong', {}, error.title)),
    h('ul', {}, others.map(({ field, message }) => h('li', {}, field ? `${field}: ${message}` : message))));
}

/** Where the request would go. */
function decisionPanel() {
  const said = h('p', { class: 'said', role: 'status' }, 'Deciding …');
  const body = h('div', {});
  const element = h('section', { class: 'card', 'aria-labelledby': 'decision' }, h('h2', { id: 'decision' }, 'Where it would go'), said, body);
  const say = (text) => {
    element.removeAttribute('aria-busy');
    if (said.textContent !== text) said.textContent = text;
  };
  return {
    element,
    /** Has nothing to show yet, and says why. */
    wait: (text) => { say(text); fill(body); },
    busy: () => element.setAttribute('aria-busy', 'true'),
    show: (found) => {
      const open = body.querySelector('details')?.open;
      say(found.winner ? `On ${found.winner}. ${found.summary}.` : `Nowhere: no candidate takes it. ${found.summary}.`);
      fill(body,
        found.winner === null && h('p', { class: 'box bad' }, h('strong', {}, 'What to do: '),
          'ask for less (a lower tier, no high availability), choose another cell or environment, or ask your platform team.'),
        found.warnings.map((warning) => h('p', { class: 'box warn' }, h('strong', {}, 'Warning: '), warning)),
        requirements(found.requirements),
        picture(ofDecision(found)));
      const details = body.querySelector('details');
      if (details && open) details.open = true;
    },
    refuse: (error, atFields, others, again) => {
      if (error.status !== 400) {
        say('There is no decision.');
        fill(body, problem(error, again));
      } else {
        say(atFields ? 'Correct the fields marked in the form to see where it would go.' : 'There is no decision on this.');
        fill(body, others.map(({ field, message }) => h('p', { class: 'box bad' }, field ? `${field}: ${message}` : message)));
      }
    },
  };
}

function requirements({ tier, rtoMinutes, rpoMinutes, capabilities }) {
  const needs = capabilities.length > 0 ? capabilities.join(', ') : 'nothing special';
  return h('p', { class: 'faint' }, `${tier}: RTO ${rtoMinutes} min, RPO ${rpoMinutes} min. Requires ${needs}.`);
}

function manifestOf({ namespace, name, ...asked }) {
  const order = ['cell', 'tier', 'environment', 'size', 'storageGB', 'ha'];
  return yaml({
    apiVersion: 'db.platform.example.org/v1alpha1',
    kind: 'MySQLInstanceClaim',
    metadata: { name: name ?? '', namespace: namespace ?? '' },
    spec: { parameters: Object.fromEntries(order.filter((field) => field in asked).map((field) => [field, asked[field]])) },
  });
}

/** What came of a request, for the claim's page. */
function outcome({ created, differs, warnings }) {
  const told = warnings.map((warning) => h('p', {}, h('strong', {}, 'Warning: '), warning));
  if (created) return notice('good', 'Created and placed.', told);
  const value = (given) => (given === null ? 'not set' : String(given));
  return notice('warn', 'It was there already; nothing was changed.', told,
    differs.length > 0 && [
      h('p', {}, 'Your request asks for something else. To change the claim, use kubectl or GitOps.'),
      scrolling('What differs', table(['Field', 'The claim has', 'You asked for'],
        differs.map(({ field, stored, asked }) => [field, value(stored), value(asked)]))),
    ]);
}
