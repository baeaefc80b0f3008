// Addresses within the page, and what one view has to tell the next.

let notice = null;

export const claimAddress = (namespace, name) => `#/claims/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;

/** Goes to `address`, whose view shows `told` (an element) once. */
export function go(address, told) {
  notice = told ?? null;
  if (location.hash === address) window.dispatchEvent(new HashChangeEvent('hashchange'));
  else location.hash = address;
}

/** What the view before has to tell, if anything. */
export function takeNotice() {
  const told = notice;
  notice = null;
  return told;
}
