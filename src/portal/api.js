// The REST API: how it is asked, what the session holds for it, and what a refusal is.

/** How long to wait for an answer, in milliseconds. */
const PATIENCE = 30_000;

/** The most claims on a page of the list. */
const PAGE = 500;

/** More pages than that are more than a browser can show. */
const MOST_PAGES = 200;

/** Kept for this tab only. */
export const session = {
  get token() { return sessionStorage.getItem('portal.token') ?? ''; },
  set token(token) { keep('portal.token', token); },
  get namespace() { return sessionStorage.getItem('portal.namespace') ?? ''; },
  set namespace(namespace) { keep('portal.namespace', namespace); },
};

function keep(key, text) {
  if (text) sessionStorage.setItem(key, text);
  else sessionStorage.removeItem(key);
}

/** What came in place of an answer. */
export class Refusal extends Error {
  /**
   * @param {{type?: string, title: string, detail: string, errors?: {field: string, message: string}[], decision?: object}} problem
   * @param {number} status the HTTP status; 0 where nothing came
   * @param {Headers} [headers]
   */
  constructor(problem, status, headers) {
    super(problem.detail);
    this.status = status;
    this.kind = (problem.type ?? '').split('/').pop();
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.decision = problem.decision ?? null;
    this.requestId = headers?.get('x-request-id') ?? '';
    /** After how many seconds to ask again; 0 where that does not help. */
    this.retryAfter = status === 0 ? 5 : status === 503 ? Number(headers.get('retry-after')) || 5 : 0;
  }
}

/** Asks, and gives `{status, body}`; `body` is null where there is none. Throws a Refusal. */
async function ask(method, path, { query = {}, body, signal } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  const token = session.token;
  const headers = { accept: 'application/json, application/problem+json' };
  if (body) headers['content-type'] = 'application/json';
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await answer(url, { method, headers, body: body && JSON.stringify(body) }, signal);
  const told = await read(response, signal);
  const empty = response.status === 204;
  if (response.ok && (told || empty)) return { status: response.status, body: told };
  const problem = told ?? { title: 'The server does not answer as it should', detail: `It answered ${response.status}.` };
  const refusal = new Refusal(problem, response.status, response.headers);
  // A late answer to a token that was replaced since says nothing of the new one.
  if (response.status === 401 && session.token === token) {
    session.token = '';
    document.dispatchEvent(new CustomEvent('sign-in', { detail: { refusal, had: token !== '' } }));
  }
  throw refusal;
}

async function answer(url, request, signal) {
  const limits = [AbortSignal.timeout(PATIENCE), signal].filter(Boolean);
  try {
    return await fetch(url, { ...request, mode: 'same-origin', redirect: 'error', signal: AbortSignal.any(limits) });
  } catch (error) {
    throw signal?.aborted ? error : new Refusal(UNREACHED, 0);
  }
}

const UNREACHED = {
  title: 'The server cannot be reached',
  detail: 'No answer came. Is the server running, and are you connected?',
};

async function read(response, signal) {
  let text;
  try {
    text = await response.text();
  } catch (error) {
    throw signal?.aborted ? error : new Refusal(UNREACHED, 0);
  }
  const json = /^application\/(problem\+)?json\b/.test(response.headers.get('content-type') ?? '');
  return json ? JSON.parse(text) : null;
}

const claimPath = (namespace, name) => `mysql/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;

/** The catalog, for whoever may create claims in `namespace`, or everywhere. */
export async function catalog(signal, namespace = session.namespace) {
  return (await ask('GET', '/api/catalog', { query: { namespace }, signal })).body;
}

/** The decision on what is asked for; with `whyNot`, also why that candidate does not win. */
export async function placement(body, signal, whyNot) {
  return (await ask('POST', '/api/placement', { query: { whyNot }, body, signal })).body;
}

export async function create(body, signal) {
  return (await ask('POST', '/api/mysql', { body, signal })).body;
}

/** Every claim of a namespace, or of all; `onPage` is told how many have come. */
export async function claims(namespace, signal, onPage) {
  for (let tries = 3; ; tries -= 1) {
    try {
      return await pages(namespace, signal, onPage);
    } catch (error) {
      // The cluster has forgotten what the list looked like when it began: begin again.
      if (error.kind !== 'expired' || tries === 0) throw error;
    }
  }
}

async function pages(namespace, signal, onPage) {
  const all = [];
  let next = '';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { namespace, limit: PAGE, continue: next };
    const { body } = await ask('GET', '/api/mysql', { query, signal });
    all.push(...body.claims);
    next = body.continue;
    onPage(all.length);
    if (!next) break;
  }
  return all;
}

export async function status(namespace, name, signal) {
  return (await ask('GET', `/api/status/${claimPath(namespace, name)}`, { signal })).body;
}

/** Deletes; gives what it still waits for, or null where it is gone. */
export async function remove(namespace, name, confirm, signal) {
  const { body } = await ask('DELETE', `/api/${claimPath(namespace, name)}`, { query: { confirm }, signal });
  return body && body.waitsFor;
}
