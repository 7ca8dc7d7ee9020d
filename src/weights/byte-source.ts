/** Random access to bytes: a file on disk, a Blob in a browser, a buffer in a test. Readers ask for nothing more. */
export interface ByteSource {
  /** For messages: a path or a URL. */
  readonly name: string;
  readonly size: number;
  /** Bytes [begin, end); `end` ≤ `size`. Rejects with a RefrainError where fewer bytes come. */
  read(begin: number, end: number): Promise<Uint8Array>;
  /** Fills `target` from byte `begin` on, for callers who read often and keep one buffer. */
  readInto(target: Uint8Array, begin: number): Promise<void>;
  close(): Promise<void>;
}

/** For tests and for bytes that are already in memory. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (begin, end) => bytes.subarray(begin, end),
    readInto: async (target, begin) => target.set(bytes.subarray(begin, begin + target.length)),
    close: async () => {},
  };
}
