/**
 * A report as one HTML file. Everything is inside (style, pictures as SVG); it runs no script, loads nothing, and forbids both to itself. Every
 * string is escaped by the `markup` tag.
 */
import { type Content, Markup, markup } from "./markup.ts";

export interface PageHead {
  readonly title: string;
  /** The result, in a sentence or a few. */
  readonly lead: Content;
  /** What nobody must overlook who reads the figures. */
  readonly remark?: string;
}

/** `content` is sections. */
export function page({ title, lead, remark }: PageHead, content: Content): string {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p class="lead">${lead}</p>
${remark !== undefined && markup`<p class="remark">${remark}</p>`}
${content}
</main>
</body>
</html>
`.source;
}

export function section(title: string, content: Content): Markup {
  return markup`<section>
<h2>${title}</h2>
${content}
</section>
`;
}

const STYLE = `
:root { color-scheme: light; --ink: #1d2129; --faint: #5b6270; --line: #dfe3ea; --tint: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 "DejaVu Sans", Arial, sans-serif; }
main { max-width: 1048px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 21px; margin: 44px 0 12px; padding-top: 16px; border-top: 1px solid var(--line); }
h3 { font-size: 14px; margin: 0 0 8px; color: var(--faint); }
.lead { font-size: 18px; margin: 0; }
.remark { margin: 12px 0 0; padding: 8px 16px; border-left: 4px solid #c0221a; background: var(--tint); font-size: 14px; }
.note, small { color: var(--faint); font-size: 13px; font-weight: 400; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 20px 8px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th[scope="row"] { text-align: left; font-weight: 400; padding-right: 40px; }
thead th { font-size: 14px; }
td small { display: inline-block; min-width: 56px; }
figure { margin: 16px 0; border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 640px; height: auto; }
pre, blockquote, article { background: var(--tint); border: 1px solid var(--line); border-radius: 6px; padding: 12px 16px; margin: 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 14px/1.5 "DejaVu Sans Mono", Menlo, Consolas, monospace; }
blockquote { margin-bottom: 16px; border-left: 4px solid #31688e; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
article .text { margin: 0; font-size: 14px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 16px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; margin: 0; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
@media print { h2 { break-after: avoid; } figure, article, table { break-inside: avoid; } }
`;
