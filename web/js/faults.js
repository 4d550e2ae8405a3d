// Shows what is wrong with a request beside the fields it is about. An element with data-pointer="/contact/email" stands for that place of the
// request body; it holds the field and a `.fault` paragraph for the message.

import { sentence } from './dom.js';

/** Shows each fault at its field, or at the nearest part of the form that holds it, and returns those that found no place. */
export function showFaults(form, faults) {
  clearFaults(form);
  const homeless = faults.filter((fault) => !showFault(form, fault));
  focusFirst(form);
  return homeless;
}

export function clearFaults(form) {
  form.querySelectorAll('[data-pointer]').forEach(clearFault);
}

/** Clears what is shown at one field, as it has changed. */
export function clearFault(place) {
  place.querySelector(':scope > .fault').textContent = '';
  place.querySelector('[aria-invalid]')?.removeAttribute('aria-invalid');
}

function showFault(form, { pointer, message }) {
  for (let path = pointer; path; path = path.slice(0, path.lastIndexOf('/'))) {
    const place = form.querySelector(`[data-pointer="${CSS.escape(path)}"]`);
    if (place) {
      const shown = place.querySelector(':scope > .fault');
      shown.textContent = [shown.textContent, sentence(message)].join(' ').trim();
      // The fault of a group, such as the list of lines, is not the fault of the first field in it.
      place.querySelector(`:is(input, select)[aria-describedby~="${shown.id}"]`)?.setAttribute('aria-invalid', 'true');
      return true;
    }
  }
  return false;
}

/** Brings the reader to the first fault: into its field, or to the message where it is about no single field. */
function focusFirst(form) {
  const shown = form.querySelector('.fault:not(:empty)');
  if (shown) (form.querySelector(`[aria-describedby~="${shown.id}"]`) ?? shown).focus();
}
