# SPDX-License-Identifier: Apache-2.0
"""Look of the page, and the few lines that sort a table when a heading is pressed. XML: no "<" or "&" in them."""

STYLE = """
* { box-sizing: border-box; }
html { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 16px; -webkit-text-size-adjust: 100%;
  background: var(--surface); color: var(--ink); }
body { margin: 0 auto; max-width: 80rem; padding: 2.5rem 1.5rem 5rem; line-height: 1.5; }
h1 { font-size: 1.9rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 1rem; text-wrap: balance; }
h2 { font-size: 1.4rem; letter-spacing: -0.015em; margin: 3.5rem 0 0.5rem; padding-top: 1rem; border-top: 2px solid var(--ink); overflow-wrap: anywhere; }
h3 { font-size: 1.08rem; margin: 2.75rem 0 0.4rem; overflow-wrap: anywhere; }
h4 { font-size: 0.9rem; font-weight: 600; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
p { max-width: 46rem; margin: 0 0 0.9rem; overflow-wrap: anywhere; }
.intro, .note, figcaption { color: var(--muted); }
.note, figcaption { font-size: 0.85rem; max-width: 46rem; margin: 0.5rem 0 0; }
nav ul { list-style: none; margin: 0; padding: 0; columns: 17rem auto; column-gap: 2rem; font-size: 0.88rem; }
nav li { break-inside: avoid; padding: 0.08rem 0; overflow-wrap: anywhere; }
nav .level2 { font-weight: 600; }
nav .level3 { padding-left: 0.9rem; }
a { color: var(--p-lazy); text-decoration: none; }
a:hover { text-decoration: underline; }
.warnings { border-left: 3px solid var(--p-static); padding: 0.15rem 0 0.15rem 1rem; margin: 0.75rem 0 1rem; max-width: 60rem; font-size: 0.9rem; }
.warnings ul { margin: 0; padding-left: 1rem; }
.warnings li { margin: 0.25rem 0; overflow-wrap: anywhere; }
.block, figure, details { margin: 1.25rem 0 1.75rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.84rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
th, td { padding: 0.26rem 0.6rem; text-align: left; vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; }
td.long { white-space: normal; min-width: 16rem; overflow-wrap: anywhere; }
th { font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--ink); }
tbody tr { border-top: 1px solid var(--grid); }
tbody tr:first-child { border-top: 0; }
tbody tr.again { border-top-color: transparent; }
tbody tr.again td:first-child span { visibility: hidden; }
tbody tr:hover { background: color-mix(in srgb, var(--ink) 5%, transparent); }
table.sorted tr.again { border-top-color: var(--grid); }
table.sorted tr.again td:first-child span { visibility: visible; }
.n { text-align: right; }
.interval { display: block; color: var(--muted); font-size: 0.9em; }
.paper { background: color-mix(in srgb, var(--ink) 6%, transparent); color: var(--muted); }
.tag { display: block; font-weight: 400; font-size: 0.85em; }
.better { color: var(--p-tsp); }
.worse { color: var(--p-compress); }
th button { all: unset; cursor: pointer; display: inline-block; }
th button:focus-visible { outline: 2px solid var(--p-lazy); outline-offset: 2px; }
th[aria-sort] button { text-decoration: underline; text-underline-offset: 3px; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
details summary { cursor: pointer; font-size: 0.9rem; font-weight: 600; padding: 0.2rem 0; }
details[open] summary { margin-bottom: 0.5rem; }
figure { margin-left: 0; margin-right: 0; }
.plot svg { display: block; width: 100%; height: auto; }
.plot svg text { font-family: inherit !important; }
@media (max-width: 40rem) { body { padding: 1.25rem 1rem 3rem; } .plot { overflow-x: auto; } .plot svg { min-width: 34rem; } }
@media print { nav { display: none; } body { max-width: none; } h3, h4 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""

SCRIPT = """
document.querySelectorAll("thead").forEach(function (head) {
  head.addEventListener("click", function (event) {
    var heading = event.target.closest("th");
    if (!heading) return;
    var table = heading.closest("table"), body = table.tBodies[0], column = heading.cellIndex;
    var up = heading.getAttribute("aria-sort") === "descending";
    var numeric = heading.classList.contains("n");
    var value = function (row) { return row.cells[column].dataset.v; };
    var rows = Array.from(body.rows).sort(function (a, b) {
      var x = value(a), y = value(b);
      if (x === undefined || y === undefined) return (x === undefined ? 1 : 0) - (y === undefined ? 1 : 0);
      var order = numeric ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return up ? order : -order;
    });
    rows.forEach(function (row) { body.appendChild(row); });
    table.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    table.classList.add("sorted");
  });
});
"""
