/** Shows a place in a schedule's text: the text on one line, a caret under the place on the next. */

/** Characters shown before and after the place; a longer text is cut with an ellipsis. */
const BEFORE = 48;
const AFTER = 48;

/** Two indented lines, each with a line break before it, to stand at the end of a message. */
export function pointAt(text: string, at: number, width = 1): string {
  const begin = at > BEFORE ? at - BEFORE : 0;
  const end = Math.min(text.length, at + AFTER);
  const head = (begin > 0 ? "…" : "") + printable(text.slice(begin, at));
  const tail = printable(text.slice(at, end)) + (end < text.length ? "…" : "");
  return `\n  ${head}${tail}\n  ${" ".repeat(head.length)}${"^".repeat(Math.max(1, Math.min(width, end - at)))}`;
}

/** Line breaks would break the picture, and control characters could drive the reader's terminal. */
export function printable(text: string): string {
  return text.replace(/\s/g, " ").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
