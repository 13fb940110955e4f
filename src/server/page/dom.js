// SPDX-License-Identifier: Apache-2.0
// Elements without markup in strings: text can only become text.

export const byId = (id) => document.getElementById(id);

/** element('p', {className: 'note'}, 'text', child, ...) */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/** Calls `action` once when calls have paused for `delay_ms`. */
export function debounced(action, delay_ms) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(action, delay_ms, ...values);
  };
}

/** Calls `action` at most once a frame. */
export function oncePerFrame(action) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      action();
    });
  };
}
