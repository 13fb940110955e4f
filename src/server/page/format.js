// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});

export const count = (number) => whole.format(number);

export const tokens = (number) => `${count(number)} ${number === 1 ? 'token' : 'tokens'}`;

export function seconds(milliseconds) {
  if (milliseconds < 1000) return `${count(milliseconds)} ms`;
  if (milliseconds < 60000) return `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 1)} s`;
  const minutes = Math.floor(milliseconds / 60000);
  return `${minutes} min ${count((milliseconds - minutes * 60000) / 1000)} s`;
}

export function percent(share) {
  const value = 100 * share;
  return `${value < 10 && value > 0 ? value.toFixed(1) : Math.round(value)} %`;
}

/** How much sooner than `other` something came that took `time`. */
export function sooner(time, other) {
  const ratio = other / time;
  if (ratio >= 1.05) return `${ratio.toFixed(ratio < 10 ? 1 : 0)}× sooner`;
  return ratio > 0.95 ? 'as soon' : `${(1 / ratio).toFixed(1)}× later`;
}

/** A time that is only guessed: no fractions. */
export function roughly(milliseconds) {
  const all = Math.round(milliseconds / 1000);
  if (all < 100) return `${all} s`;
  return all < 6000 ? `${Math.round(all / 60)} min` : `${Math.round(all / 3600)} h`;
}

/** The first letter of a sentence that begins with a plain word; a file's name stays as it is. */
export function sentence(text) {
  return /^\p{Ll}+(?=[\s,;:])/u.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}
