// SPDX-License-Identifier: Apache-2.0
// What an answer cost, beside what dense would have cost.

import {element} from './dom.js';
import * as format from './format.js';

function figure(name, value, title = '') {
  return element('div', {title}, element('dt', {textContent: name}), element('dd', {textContent: value}));
}

/** The figures of an answer in one line. `end`: the last chunk of the stream. */
export function figureList({lazy, timings}) {
  const list = element('dl', {className: 'figures'});
  const dense = lazy.dense_cached_ttft_ms_estimate;
  list.append(figure('First token', format.seconds(lazy.ttft_ms)));
  if (lazy.policy !== 'dense' && dense > 0) {
    list.append(figure('Dense, estimated', format.seconds(dense)), figure('Speed-up', `${(dense / lazy.ttft_ms).toFixed(1)}×`));
  }
  list.append(figure('Computed', format.percent(lazy.computed_fraction),
    'share of the (token, layer) pairs of the prompt, before the first word'));
  if (lazy.cached_tokens > 0) list.append(figure('Cached', format.tokens(lazy.cached_tokens)));
  if (timings?.predicted_per_second > 0) list.append(figure('Then', `${timings.predicted_per_second.toFixed(1)} tokens/s`));
  return list;
}

function race(name, time, longest, kind) {
  const bar = element('span', {className: `bar ${kind}`});
  bar.style.setProperty('--length', `${(100 * time) / longest}%`);
  return element('div', {className: 'race'}, element('span', {textContent: name}), element('span', {className: 'track'}, bar),
    element('span', {textContent: format.seconds(time)}));
}

/** Two bars: the time to the first token, and dense's. */
export function speedComparison({lazy}) {
  const dense = lazy.dense_cached_ttft_ms_estimate;
  const shown = document.createDocumentFragment();
  if (lazy.policy === 'dense' || !(dense > 0)) {
    const cached = lazy.cached_tokens > 0 ? ` ${format.tokens(lazy.cached_tokens)} were in the cache.` : '';
    shown.append(element('p', {textContent: `First token after ${format.seconds(lazy.ttft_ms)}. Nothing was skipped.${cached}`}));
    return shown;
  }
  const longest = Math.max(lazy.ttft_ms, dense);
  const computed = `${format.percent(lazy.computed_fraction)} of the work computed before the first word, ` +
    `${format.percent(lazy.computed_fraction_end)} at the end.`;
  const cached = lazy.cached_tokens > 0 ? ` ${format.tokens(lazy.cached_tokens)} came from the cache.` : '';
  shown.append(
    race(`${lazy.policy} ${lazy.schedule}`, lazy.ttft_ms, longest, 'lazy'), race('dense, estimated', dense, longest, 'dense'),
    element('p', {}, element('strong', {textContent: `First token ${format.sooner(lazy.ttft_ms, dense)}. `}), computed + cached));
  return shown;
}
