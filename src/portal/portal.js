// The frame: which view is shown, its title and focus, and signing in and out.

import { session } from './api.js';
import { h } from './dom.js';
import { takeNotice } from './route.js';
import * as catalog from './catalog.js';
import * as claim from './claim.js';
import * as claims from './claims.js';
import * as request from './request.js';
import * as signin from './signin.js';

const VIEWS = [
  { path: /^#\/request$/, nav: '#/request', view: request },
  { path: /^#\/claims$/, nav: '#/claims', view: claims },
  { path: /^#\/claims\/([^/]+)\/([^/]+)$/, nav: '#/claims', view: claim },
  { path: /^#\/catalog$/, nav: '#/catalog', view: catalog },
];

const nowhere = {
  title: () => 'There is no such page',
  show(place) {
    place.append(h('p', {}, 'Go to ', h('a', { href: '#/request' }, 'request a database'), ' or to ',
      h('a', { href: '#/claims' }, 'the claims'), '.'));
  },
};

const main = document.getElementById('main');
const signOut = document.getElementById('sign-out');
let shown = new AbortController();

/** Shows `view` in place of what is shown; what that still waits for is dropped. */
function show(view, words, nav) {
  shown.abort();
  shown = new AbortController();
  signOut.hidden = !session.token;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === nav) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const title = view.title(...words);
  document.title = `${title} · Databases`;
  const heading = h('h1', { tabindex: '-1' }, title);
  const place = h('div', { class: 'view' });
  main.replaceChildren(...[heading, takeNotice(), place].filter(Boolean));
  view.show(place, shown.signal, ...words);
  return heading;
}

function route() {
  const hash = location.hash || '#/request';
  for (const { path, nav, view } of VIEWS) {
    const words = path.exec(hash)?.slice(1).map(decoded);
    if (words && !words.includes(null)) return show(view, words, nav);
  }
  return show(nowhere, [], null);
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return null;
  }
}

function moveTo(heading) {
  window.scrollTo(0, 0);
  heading.focus();
}

window.addEventListener('hashchange', () => moveTo(route()));

document.getElementById('skip').addEventListener('click', (event) => {
  // The address is the route, and stays.
  event.preventDefault();
  main.focus();
});

document.addEventListener('sign-in', ({ detail: { refusal, had } }) => {
  const proceed = () => moveTo(route());
  moveTo(show(signin, [{ refusal, had, proceed }], null));
});

signOut.addEventListener('click', () => {
  session.token = '';
  session.namespace = '';
  request.forget();
  claims.forget();
  moveTo(route());
});

route();
