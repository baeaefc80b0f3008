// Building elements. Text is always text, never markup.

/**
 * An element. A property `onclick: f` listens, `true` and `false` set and leave out an attribute, others are attributes.
 * Of the children, null, undefined and false are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  return fill(element, children);
}

/** Puts these children in place of what `element` holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tells a screen reader. */
function announce(text) {
  document.getElementById('live').textContent = text;
}

/** A button that copies what `text()` gives, and says so. */
export function copyButton(what, text) {
  const label = `Copy ${what}`;
  const button = h('button', { type: 'button', class: 'quiet small' }, label);
  button.addEventListener('click', async () => {
    const done = await copy(text());
    button.textContent = done ? 'Copied' : 'Not copied: select it by hand';
    announce(done ? `Copied ${what}` : 'The browser does not let this page copy. Select the text by hand.');
    setTimeout(() => { button.textContent = label; }, 2000);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOldWay(text);
  }
}

// Browsers have a clipboard only on https and on localhost.
function copyOldWay(text) {
  const before = document.activeElement;
  const area = h('textarea', { class: 'unseen', 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  before?.focus();
  return done;
}

/** A table wider than a small screen, which scrolls by itself. */
export function scrolling(label, ...children) {
  return h('div', { class: 'scrolling', role: 'region', 'aria-label': label, tabindex: '0' }, children);
}

/** A table of texts and elements; the first cell of each row heads it. */
export function table(heads, rows) {
  return h('table', {},
    h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
    h('tbody', {}, rows.map(([first, ...rest]) => h('tr', {},
      h('th', { scope: 'row' }, first),
      rest.map((cell) => h('td', {}, cell))))));
}

/** Pairs of a term and what it is; those without a value are left out. */
export function terms(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return h('dl', { class: 'terms' }, told.map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))));
}

/** YAML to read and copy. */
export function code(label, text) {
  return h('pre', { class: 'code', tabindex: '0', role: 'region', 'aria-label': label }, h('code', {}, text));
}

const AGO = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const UNITS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60]];

function ago(time) {
  const seconds = Math.round((time - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
  return unit === 'second' ? 'just now' : AGO.format(Math.trunc(seconds / size), unit);
}

/** A time as it is said, with the exact one as its title. */
export function when(text) {
  const time = Date.parse(text ?? '');
  if (Number.isNaN(time)) return h('span', {}, text || '–');
  return h('time', { datetime: text, title: new Date(time).toLocaleString('en-GB', { timeZoneName: 'short' }) }, ago(time));
}

/** Says the times under `root` anew. */
export function refreshTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const said = ago(Date.parse(time.dateTime));
    if (time.textContent !== said) time.textContent = said;
  }
}

/** A count for people. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}
