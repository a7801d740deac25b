"""The style sheet of the HTML report: light and dark by the reader's preference, readable on paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c1f24; --soft: #5a626e; --rule: #dfe2e6; --grid: #eceef1;
  --best: #0b7a4b; --point: #2f6fb3; --rejected: #a85b00; --bad: #c02b2b; --lost: #6b7280; --wash: #eef6f1; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171b; --card: #1b1f25; --ink: #e7eaee; --soft: #a3acb8; --rule: #333a44; --grid: #272d36;
  --best: #4cc38a; --point: #70b1f5; --rejected: #f0a04b; --bad: #ff7b72; --lost: #98a2b0; --wash: #1b2b24; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 56px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 36px 0 12px; }
p { margin: 6px 0; } .soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 22px 0 0; padding: 0; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 14px; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { margin: 2px 0 0; font-size: 23px; font-weight: 600; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.tile.first { background: var(--wash); border-color: var(--best); } .tile.first dd { color: var(--best); }
.tile small { display: block; font-size: 12.5px; font-weight: 400; color: var(--soft); white-space: normal; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 14px 14px 10px; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 20px; padding: 8px 4px 0; color: var(--soft); font-size: 13px; }
figcaption span { display: inline-flex; align-items: center; gap: 7px; }
figcaption svg { width: 16px; height: 16px; flex: none; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .label { font-size: 13px; }
svg .note { font-size: 13px; paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
svg .strong { fill: var(--best); font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--rule); }
.default { stroke: var(--soft); stroke-dasharray: 5 4; } .best { stroke: var(--best); stroke-width: 2.5; fill: none; }
.feasible { fill: var(--point); } .rejected { fill: var(--card); stroke: var(--rejected); stroke-width: 2; }
.infeasible { stroke: var(--bad); stroke-width: 2.2; fill: none; }
.lost { fill: var(--card); stroke: var(--lost); stroke-width: 1.8; }
.ring { fill: none; stroke: var(--best); stroke-width: 2; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.scroll:focus-visible { outline: 2px solid var(--point); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding: 10px 14px 4px; }
th, td { text-align: left; padding: 6px 12px; border-top: 1px solid var(--grid); vertical-align: top; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; white-space: nowrap; border-top: 0; }
tbody th { font-weight: 500; } .value { text-align: right; white-space: nowrap; } .off { color: var(--lost); }
tr.chosen { background: var(--wash); } tr.chosen th, .changed td.new { color: var(--best); font-weight: 600; }
.status-infeasible { color: var(--bad); }
.status-rejected { color: var(--rejected); } .status-lost { color: var(--lost); }
.why { color: var(--soft); min-width: 22ch; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; margin: 0;
  white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13.5px/1.55 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; user-select: all; }
details { margin-top: 10px; } summary { cursor: pointer; color: var(--soft); padding: 4px 0; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
@media print { main { max-width: none; padding: 0; } .scroll { overflow: visible; } }
"""
