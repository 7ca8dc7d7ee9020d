/** UTF-8 that arrives in pieces, and where bytes stop being UTF-8. */

const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The first byte that begins no character, or -1. */
export function firstInvalid(bytes: Uint8Array): number {
  const valid = new TextEncoder().encode(lenient.decode(bytes));
  const at = bytes.findIndex((byte, i) => byte !== valid[i]);
  return at < 0 && valid.length !== bytes.length ? bytes.length : at;
}

/** How many of the bytes are whole characters, if a last one is only begun: its rest may follow. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
