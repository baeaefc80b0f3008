// JSON values as YAML.

// What every YAML reader takes for a string without quotes, apart from the words below.
const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const WORDS = /^(true|false|yes|no|on|off|y|n|null)$/i;
// Not printable in YAML, or a line break to some readers; JSON leaves them as they are.
const HIDDEN = /[\u007f-\u009f\u2028\u2029\ufeff]/g;

/** The document of `value`. */
export function yaml(value) {
  return `${lines(value).join('\n')}\n`;
}

function lines(value) {
  if (!isBlock(value)) return [scalar(value)];
  if (Array.isArray(value)) return value.flatMap((item) => lines(item).map((line, i) => (i === 0 ? '- ' : '  ') + line));
  return Object.entries(value).flatMap(([key, item]) => {
    if (!isBlock(item)) return `${scalar(key)}: ${scalar(item)}`;
    const inner = lines(item);
    return [`${scalar(key)}:`, ...(Array.isArray(item) ? inner : inner.map((line) => `  ${line}`))];
  });
}

/** Whether it takes lines of its own. */
function isBlock(value) {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

function scalar(value) {
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object' && value !== null) return '{}';
  if (typeof value !== 'string') return String(value);
  if (PLAIN.test(value) && !WORDS.test(value)) return value;
  const code = (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(HIDDEN, code);
}
