/** Reading tensors of formats in which the whole model is one file and each tensor one stretch of it. */
import type { ByteSource } from "./byte-source.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** `Checkpoint.read`, given where in the file each tensor begins. */
export function tensorReader(source: ByteSource, begins: ReadonlyMap<string, number>): Checkpoint["read"] {
  let buffer = new Uint8Array(0);
  return async (tensor, begin, end) => {
    const first = begins.get(tensor.name);
    if (first === undefined || begin < 0 || end < begin || end > tensor.byteLength) {
      throw new RangeError(`bytes ${begin} to ${end} of ${tensor.name}, which has ${tensor.byteLength}`);
    }
    if (buffer.length < end - begin) buffer = new Uint8Array(end - begin);
    const target = buffer.subarray(0, end - begin);
    await source.readInto(target, first + begin);
    return target;
  };
}
