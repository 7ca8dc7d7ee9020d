/** How wide text is: in columns of a terminal, and roughly in pixels of a picture, where nothing can measure a font. */

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Emoji and the wide blocks of East Asian Width (Unicode annex 11): Hangul, kana, CJK, full-width forms. */
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}]/u;
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** What a reader sees as one character each. */
export function characters(text: string): string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** Columns that a terminal gives to the text. */
export function columnsOf(text: string): number {
  return characters(text).reduce((sum, character) => sum + columnsOfOne(character), 0);
}

function columnsOfOne(character: string): number {
  if (INVISIBLE.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/**
 * Pixels that the text takes at most, from rough widths of DejaVu Sans, the widest of the fonts that we name.
 * For deciding what fits, not for setting type.
 */
export function pixelsOf(text: string, size: number, bold = false): number {
  const em = characters(text).reduce((sum, character) => sum + emOfOne(character), 0);
  return em * size * (bold ? 1.1 : 1);
}

function emOfOne(character: string): number {
  if (INVISIBLE.test(character)) return 0;
  if (WIDE.test(character)) return 1;
  if (/[iIjl.,:;'’|! ()[\]]/.test(character)) return 0.37;
  if (/[mMwW@%—…]/.test(character)) return 0.97;
  return /\p{Lu}/u.test(character) ? 0.72 : 0.63;
}

/** The text, or as much of its beginning as fits, with an ellipsis. */
export function fitText(text: string, pixels: number, size: number, bold = false): string {
  if (pixelsOf(text, size, bold) <= pixels) return text;
  const kept = characters(text);
  while (kept.length > 0 && pixelsOf(`${kept.join("")}…`, size, bold) > pixels) kept.pop();
  return `${kept.join("").trimEnd()}…`;
}
