// Signing in: a token of the cluster's, and a namespace for those who may not look everywhere.

import { session } from './api.js';
import { fill, h } from './dom.js';

export const title = () => 'Sign in';

/** `had`: a token was sent, and not accepted. `proceed` shows what the user was about to see. */
export function show(place, signal, { refusal, had, proceed }) {
  const token = h('input', {
    id: 'token', type: 'password', required: true, autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'token-hint token-error',
  });
  const wrong = h('p', { class: 'error', id: 'token-error' });
  const namespace = h('input', {
    id: 'sign-in-namespace', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'namespace-hint', value: session.namespace,
  });
  const submit = (event) => {
    event.preventDefault();
    const given = token.value.trim().replace(/^bearer\s+/i, '');
    // Only these fit into a header.
    if (!/^[\x21-\x7e]+$/.test(given)) {
      wrong.textContent = given ? 'This is no token: it has spaces or other signs in it. Copy it once more.' : 'Paste your token here.';
      token.setAttribute('aria-invalid', 'true');
      token.focus();
      return;
    }
    session.token = given;
    session.namespace = namespace.value.trim();
    proceed();
  };
  fill(place,
    h('p', {}, 'Claims live in a cluster here, and you may do what the cluster lets you do.'),
    had && h('div', { class: 'box bad', role: 'alert' },
      h('p', {}, h('strong', {}, 'Your token was not accepted. '), refusal.detail)),
    h('form', { class: 'card narrow', novalidate: true, onsubmit: submit },
      h('div', { class: 'field' },
        h('label', { for: 'token' }, 'Token'),
        h('p', { class: 'hint', id: 'token-hint' }, 'For example from ', h('code', {}, 'kubectl create token ACCOUNT -n NAMESPACE'),
          '. This tab keeps it until you close it or sign out, and sends it to this server only.'),
        token, wrong),
      h('div', { class: 'field' },
        h('label', { for: 'sign-in-namespace' }, 'Namespace (optional)'),
        h('p', { class: 'hint', id: 'namespace-hint' }, 'If you may not work in all namespaces: the one that is yours.'),
        namespace),
      h('button', { type: 'submit', class: 'main' }, 'Sign in')));
}
