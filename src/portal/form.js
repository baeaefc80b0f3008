// The request form: its fields, what they hold, and what is wrong with them.

import { fill, h } from './dom.js';

const FIELDS = ['namespace', 'name', 'cell', 'tier', 'environment', 'size', 'storageGB', 'ha'];

/**
 * The form for what `catalog` offers, filled with `held` where it holds something, else with the least of everything.
 * `onChange` is called with the name of the field that has changed.
 */
export function requestForm(catalog, held, onChange) {
  const errors = new Map();
  const tier = least(catalog.tiers);
  const given = { tier: tier?.name, size: catalog.sizes[0], storageGB: catalog.storageGB.least, ...held };
  const parts = [
    text('namespace', 'Namespace', 'Where your claim lives.', given.namespace),
    text('name', 'Name', 'Lower-case letters, digits, - and ., for example orders-db.', given.name),
    choice('cell', 'Cell', 'Your group of applications.', catalog.cells.map((cell) => cell.name), given.cell),
    choice('environment', 'Environment', null, [], null),
    tiers(catalog.tiers, given.tier),
    choice('size', 'Size', null, catalog.sizes, given.size),
    storage(catalog.storageGB, given.storageGB),
    standby(given.ha),
  ];
  const form = h('form', { class: 'card request', novalidate: true }, h('div', { class: 'fields' }, parts));
  const environments = () => {
    const cell = catalog.cells.find(({ name }) => name === form.elements.cell.value);
    const select = form.elements.environment;
    const wanted = select.value || given.environment;
    fill(select, options([...cell?.environments ?? []], wanted));
  };
  environments();
  form.addEventListener('input', ({ target }) => {
    if (target.name === 'cell') environments();
    mark(form, errors, target.name, null);
    onChange(target.name);
  });
  return {
    element: form,
    values: () => values(form),
    /** Shows these problems at their fields; gives those that belong to none. */
    refuse: (problems) => refuse(form, errors, problems),
    /** Takes back what was said of these fields. */
    accept: (fields) => fields.forEach((field) => mark(form, errors, field, null)),
    focusFirst: () => form.querySelector('[aria-invalid] input, input[aria-invalid], select[aria-invalid]')?.focus(),
  };
}

function least(tiers) {
  return tiers.reduce((found, tier) => (found && found.rtoMinutes >= tier.rtoMinutes ? found : tier), undefined);
}

/** What the form asks for, as the API takes it. What is empty is left out. */
function values(form) {
  const { elements } = form;
  const asked = {};
  for (const field of FIELDS) {
    const given = field === 'ha' ? elements.ha.checked : elements[field].value.trim();
    if (given !== '') asked[field] = field === 'storageGB' ? Number(given) : given;
  }
  return asked;
}

function refuse(form, errors, problems) {
  const known = problems.filter(({ field }) => FIELDS.includes(field));
  for (const field of FIELDS) {
    const told = known.filter((problem) => problem.field === field).map(({ message }) => message);
    if (told.length > 0) mark(form, errors, field, told.join(' '));
  }
  return problems.filter((problem) => !known.includes(problem));
}

/** Says what is wrong with a field, or that nothing is. */
function mark(form, errors, field, message) {
  if ((errors.get(field) ?? null) === message) return;
  errors.set(field, message);
  const control = form.querySelector(`[data-field="${field}"]`);
  form.querySelector(`#${field}-error`).textContent = message === null ? '' : `This ${message}.`;
  if (message === null) control.removeAttribute('aria-invalid');
  else control.setAttribute('aria-invalid', 'true');
}

function field(name, label, hint, control, wide) {
  control.setAttribute('aria-describedby', hint ? `${name}-hint ${name}-error` : `${name}-error`);
  return h('div', { class: wide ? 'field wide' : 'field' },
    h('label', { for: name }, label),
    control,
    hint && h('p', { class: 'hint', id: `${name}-hint` }, hint),
    h('p', { class: 'error', id: `${name}-error` }));
}

function text(name, label, hint, value) {
  return field(name, label, hint, h('input', {
    id: name, name, 'data-field': name, value, required: true, maxlength: 63, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false',
  }));
}

function options(words, chosen) {
  return words.map((word) => h('option', { value: word, selected: word === chosen }, word));
}

function choice(name, label, hint, words, chosen) {
  return field(name, label, hint, h('select', { id: name, name, 'data-field': name }, options(words, chosen)));
}

function storage({ least, most }, value) {
  const hint = `From ${least} to ${most} GiB. It can grow later, and never shrinks.`;
  return field('storageGB', 'Storage in GiB', hint, h('input', {
    id: 'storageGB', name: 'storageGB', 'data-field': 'storageGB', type: 'number', min: least, max: most, step: 1, value, required: true,
  }));
}

function standby(checked) {
  const box = h('input', {
    type: 'checkbox', id: 'ha', name: 'ha', 'data-field': 'ha', checked: checked === true, 'aria-describedby': 'ha-hint ha-error',
  });
  return h('div', { class: 'field wide' },
    h('div', { class: 'check' }, box, h('label', { for: 'ha' }, 'High availability')),
    h('p', { class: 'hint', id: 'ha-hint' }, 'A standby in another zone; requires MultiAZ.'),
    h('p', { class: 'error', id: 'ha-error' }));
}

function tiers(all, chosen) {
  const card = ({ name, rtoMinutes, rpoMinutes, requires }) => {
    const id = `tier-${name}`;
    return h('div', { class: 'tier' },
      h('input', { type: 'radio', name: 'tier', id, value: name, checked: name === chosen, 'aria-describedby': `${id}-is` }),
      h('label', { for: id }, name),
      h('ul', { id: `${id}-is` },
        h('li', {}, `Back within ${rtoMinutes} min (RTO)`),
        h('li', {}, `Loses at most ${rpoMinutes} min of data (RPO)`),
        h('li', {}, requires.length > 0 ? `Requires ${requires.join(', ')}` : 'Requires nothing special')));
  };
  return h('fieldset', {
    class: 'field wide', role: 'radiogroup', 'data-field': 'tier', 'aria-describedby': 'tier-error',
  },
  h('legend', {}, 'Tier'),
  h('div', { class: 'tiers' }, all.map(card)),
  h('p', { class: 'error', id: 'tier-error' }));
}
