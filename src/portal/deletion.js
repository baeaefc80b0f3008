// Deleting a claim: asked for once, and where its database is kept, confirmed by its name.

import { remove } from './api.js';
import { fill, h } from './dom.js';
import { go } from './route.js';
import { notice, problem } from './states.js';

/** The button with its dialog; `onGoing` gets what there is to tell once the claim is being deleted. */
export function deletion(namespace, name, signal, onGoing) {
  const title = h('h2', { id: 'delete-title' }, `Delete ${namespace}/${name}?`);
  const text = h('p', { id: 'delete-text' });
  const wrong = h('div', {});
  const typed = h('input', { id: 'confirm', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', 'aria-describedby': 'delete-text confirm-error' });
  const mistyped = h('p', { class: 'error', id: 'confirm-error' });
  const confirmation = h('div', { class: 'field', hidden: true },
    h('label', { for: 'confirm' }, 'Type the claim’s name, ', h('code', {}, name), ', to delete it all the same'), typed, mistyped);
  const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const yes = h('button', { type: 'submit', class: 'danger' }, 'Delete');

  const submit = async (event) => {
    event.preventDefault();
    if (yes.getAttribute('aria-disabled') === 'true') return;
    if (!confirmation.hidden && !isTyped()) return;
    yes.setAttribute('aria-disabled', 'true');
    fill(wrong);
    try {
      done(await remove(namespace, name, confirmation.hidden ? '' : name));
    } catch (error) {
      refused(error);
    } finally {
      yes.removeAttribute('aria-disabled');
    }
  };

  const isTyped = () => {
    const right = typed.value.trim() === name;
    mistyped.textContent = right ? '' : `This is not the claim’s name. Type ${name}.`;
    if (right) typed.removeAttribute('aria-invalid');
    else typed.setAttribute('aria-invalid', 'true');
    if (!right) typed.focus();
    return right;
  };

  const done = (waitsFor) => {
    // Whoever has gone elsewhere is not called back.
    if (signal.aborted) return;
    dialog.close();
    if (waitsFor === null) {
      go('#/claims', notice('good', `${namespace}/${name} is gone.`));
      return;
    }
    const what = waitsFor.length > 0 ? waitsFor.join(', ') : 'its database';
    onGoing(notice('warn', `${namespace}/${name} is being deleted.`, h('p', {}, `It goes once this is done: ${what}.`)));
  };

  const refused = (error) => {
    if (signal.aborted) return;
    if (error.kind === 'confirmation-required') {
      text.textContent = 'This claim stands for a database that is kept. Deleting it may delete the database and its data.';
      confirmation.hidden = false;
      typed.focus();
    } else if (error.status === 404) {
      done(null);
    } else if (error.status === 401) {
      dialog.close();
    } else {
      fill(wrong, problem(error));
    }
  };

  const open = () => {
    text.textContent = 'The claim goes, and with it, maybe, its database.';
    confirmation.hidden = true;
    typed.value = '';
    mistyped.textContent = '';
    typed.removeAttribute('aria-invalid');
    fill(wrong);
    dialog.showModal();
  };

  const dialog = h('dialog', { 'aria-labelledby': 'delete-title', 'aria-describedby': 'delete-text' },
    h('form', { novalidate: true, onsubmit: submit }, title, text, confirmation, wrong, h('div', { class: 'actions' }, cancel, yes)));
  return h('div', {}, h('button', { type: 'button', class: 'danger', onclick: open }, 'Delete …'), dialog);
}
