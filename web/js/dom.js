// Small helpers over the document. Text always goes in as text, never as HTML.

export const byId = (id) => document.getElementById(id);

/** A copy of the one element in a template. */
export function fromTemplate(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

/** Shows an element with this text, or hides it when there is none. */
export function announce(element, text) {
  element.textContent = text ?? '';
  element.hidden = !text;
}

/** Makes a button work or not without taking the focus away from it. */
export function setBusy(button, isBusy) {
  if (isBusy) button.setAttribute('aria-disabled', 'true');
  else button.removeAttribute('aria-disabled');
}

/** Text as a sentence of its own: the API's messages start with a small letter, as they follow a field's name in logs. */
export function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[\p{L}\p{N})]$/u.test(start) ? `${start}.` : start;
}
