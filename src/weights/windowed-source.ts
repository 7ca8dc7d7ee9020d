/**
 * A byte source over something that answers slowly and to which each question costs: a server, a browser's File. It is
 * asked for whole windows; the last few are kept, and the next is on its way while one is being read.
 */
import type { ByteSource } from "./byte-source.ts";

const WINDOW = 4 << 20;
/** Windows in memory: matrices of a block are not always read in the order of the file. */
const KEPT = 4;

/** What is behind a windowed source. */
export interface SlowBytes {
  readonly name: string;
  readonly size: number;
  /** Bytes [begin, end), all of them; `end` ≤ `size`. Rejects with a RefrainError. */
  fetch(begin: number, end: number): Promise<Uint8Array>;
  close(): void;
}

/** Length of a window in bytes: how much a first request may bring without being in vain. */
export const windowBytes = WINDOW;

/** `first`: bytes of the first window, where they have come already. */
export function windowedSource(behind: SlowBytes, first?: Uint8Array): ByteSource {
  const { name, size } = behind;
  /** By number; the order of entries is the order of last use. */
  const windows = new Map<number, Promise<Uint8Array>>();
  if (first) windows.set(0, Promise.resolve(first));

  const window = (index: number): Promise<Uint8Array> => {
    let bytes = windows.get(index);
    if (bytes === undefined) {
      bytes = behind.fetch(index * WINDOW, Math.min(size, (index + 1) * WINDOW));
      // What failed may be asked for again; and one that was fetched ahead may fail with nobody waiting.
      bytes.catch(() => windows.delete(index));
    }
    windows.delete(index);
    windows.set(index, bytes);
    if (windows.size > KEPT) windows.delete(windows.keys().next().value!);
    return bytes;
  };

  const readInto = async (target: Uint8Array, begin: number): Promise<void> => {
    const end = begin + target.length;
    if (end > size) throw new RangeError(`bytes ${begin} to ${end} of ${name}, which has ${size}`);
    for (let at = begin; at < end; ) {
      const index = Math.floor(at / WINDOW);
      const bytes = window(index);
      if ((index + 1) * WINDOW < size && !windows.has(index + 1)) window(index + 1);
      const from = at - index * WINDOW;
      const part = (await bytes).subarray(from, from + end - at);
      target.set(part, at - begin);
      at += part.length;
    }
  };

  return {
    name,
    size,
    readInto,
    read: async (begin, end) => {
      const target = new Uint8Array(end - begin);
      await readInto(target, begin);
      return target;
    },
    close: async () => {
      windows.clear();
      behind.close();
    },
  };
}
