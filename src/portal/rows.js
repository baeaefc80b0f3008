// The table of claims: sorted by its heads, and changed only where something has changed.

import { h, when } from './dom.js';
import { claimAddress } from './route.js';
import { stageBadge } from './states.js';

/** Field, head, and what a cell shows where that is not the field's text. */
const COLUMNS = [
  ['name', 'Name'],
  ['namespace', 'Namespace'],
  ['stage', 'Stage', ({ stage }) => stageBadge(stage)],
  ['cell', 'Cell'],
  ['tier', 'Tier'],
  ['environment', 'Environment'],
  ['size', 'Size'],
  ['storageGB', 'GiB'],
  ['ha', 'HA', ({ ha }) => (ha ? 'yes' : 'no')],
  ['provider', 'Provider'],
  ['region', 'Region'],
  ['created', 'Created', ({ created }) => when(created)],
];

/** The table; `wanted` has `sort` and `down`, and `onSort` is called once they have changed. */
export function claimTable(wanted, onSort) {
  const heads = COLUMNS.map(([field, label]) => {
    const head = h('th', { scope: 'col' }, h('button', { type: 'button' }, label));
    head.firstChild.addEventListener('click', () => {
      wanted.down = wanted.sort === field && !wanted.down;
      wanted.sort = field;
      sortedBy();
      onSort();
    });
    return head;
  });
  const sortedBy = () => heads.forEach((head, i) => {
    if (COLUMNS[i][0] !== wanted.sort) head.removeAttribute('aria-sort');
    else head.setAttribute('aria-sort', wanted.down ? 'descending' : 'ascending');
  });
  sortedBy();
  const body = h('tbody', {});
  let held = new Map();
  return {
    element: h('div', { class: 'scrolling', role: 'region', 'aria-label': 'Claims', tabindex: '0' },
      h('table', { class: 'claims' }, h('thead', {}, h('tr', {}, heads)), body)),
    /** Moves the focus to the claim in this row. */
    focus: (index) => body.children[index]?.querySelector('a').focus(),
    show: (claims) => {
      const now = new Map();
      for (const claim of claims) {
        const key = `${claim.namespace}/${claim.name}`;
        const row = held.get(key) ?? newRow(claim);
        update(row, claim);
        now.set(key, row);
      }
      held = now;
      arrange(body, [...now.values()].map(({ element }) => element));
    },
  };
}

function newRow({ namespace, name }) {
  const head = h('th', { scope: 'row' }, h('a', { href: claimAddress(namespace, name) }, name));
  return { element: h('tr', {}, head), head, text: '' };
}

function update(row, claim) {
  const text = JSON.stringify(claim);
  if (row.text === text) return;
  row.text = text;
  const cells = COLUMNS.slice(1).map(([field, , shown]) => h('td', {}, shown ? shown(claim) : claim[field] ?? '–'));
  // The link stays as it is: it may have the focus.
  while (row.head.nextSibling) row.head.nextSibling.remove();
  row.element.append(...cells);
}

/** Puts `rows` into `body` in this order, moving as few as is easy; the focus stays where it is. */
function arrange(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(rows);
  for (const row of [...body.children]) if (!wanted.has(row)) row.remove();
  let next = body.firstChild;
  for (const row of rows) {
    if (row === next) next = next.nextSibling;
    else body.insertBefore(row, next);
  }
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}
