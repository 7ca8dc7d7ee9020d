/**
 * Many short texts as the bytes of a file: a vocabulary of 50,000 pieces is 0.7 MB so, and ten times as much as strings.
 * A text becomes a string when it is asked for.
 */

/** `ignoreBOM`: a token may well be a byte order mark. */
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

export class TextList {
  /** UTF-8, one text after the other. */
  readonly bytes: Uint8Array;
  /** Where each text ends in `bytes`. */
  readonly ends: Uint32Array;

  constructor(bytes: Uint8Array, ends: Uint32Array) {
    this.bytes = bytes;
    this.ends = ends;
  }

  static of(texts: readonly string[]): TextList {
    const bytes = encoder.encode(texts.join(""));
    const ends = new Uint32Array(texts.length);
    let end = 0;
    texts.forEach((text, i) => {
      end += utf8Length(text);
      ends[i] = end;
    });
    // A character cut in two by the border of texts would have been put together above.
    if (end === bytes.length) return new TextList(bytes, ends);
    const parts = texts.map((text) => encoder.encode(text));
    return new TextList(Uint8Array.from(parts.flatMap((part) => [...part])), ends);
  }

  get length(): number {
    return this.ends.length;
  }

  begin(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]!;
  }

  /** What is not valid UTF-8 becomes U+FFFD. */
  text(index: number): string {
    return lenient.decode(this.bytes.subarray(this.begin(index), this.ends[index]));
  }

  toArray(): string[] {
    return Array.from(this.ends, (_, index) => this.text(index));
  }
}

/** As TextEncoder does it: half of a surrogate pair takes the three bytes of U+FFFD. */
function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) length += 1;
    else if (code < 0x800) length += 2;
    else if (code >= 0xd800 && code < 0xdc00 && text.charCodeAt(i + 1) >> 10 === 0x37) {
      length += 4;
      i++;
    } else length += 3;
  }
  return length;
}
