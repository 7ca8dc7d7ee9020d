/** Makes safetensors bytes for tests, sound or not: the header is taken as it is. */
export function safetensorsBytes(header: object | string, dataBytes = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  for (let index = 0; index < dataBytes; index++) bytes[8 + json.length + index] = index;
  return bytes;
}

/** One entry of a header. */
export function entry(dtype: string, shape: readonly number[], begin: number, end: number) {
  return { dtype, shape, data_offsets: [begin, end] };
}
