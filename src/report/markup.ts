/**
 * Markup that cannot be broken by what is put into it: a template tag that escapes every value, for SVG and HTML alike.
 *
 *     markup`<text x="${x}">${name}</text>`
 *
 * Only markup made by the tag goes in as it is. This is not a document model: nothing checks that tags match.
 */

export class Markup {
  readonly source: string;

  /** For the tag below; anything else that calls this vouches for the source. */
  constructor(source: string) {
    this.source = source;
  }
}

/** Numbers are written with two decimals, lists one after the other, `undefined` and `false` as nothing. */
export type Content = string | number | Markup | undefined | false | readonly Content[];

export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.map((string, i) => (i === 0 ? string : render(values[i - 1]) + string)).join(""));
}

function render(content: Content): string {
  if (content === undefined || content === false) return "";
  if (content instanceof Markup) return content.source;
  if (typeof content === "string") return escapeText(content);
  if (typeof content !== "number") return content.map(render).join("");
  if (!Number.isFinite(content)) throw new RangeError(`markup: ${content} is no place to draw at`);
  return String(Number(content.toFixed(2)));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and quoted attributes. What XML forbids (control characters, half a surrogate pair) becomes U+FFFD. */
export function escapeText(text: string): string {
  return text
    .replace(/[^\P{Cc}\t\n\r]|\p{Cs}|[\uFFFE\uFFFF]/gu, "\uFFFD")
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
