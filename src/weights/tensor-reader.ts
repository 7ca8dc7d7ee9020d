/** Reading the bytes of tensors, each of which is one stretch of a file. */
import type { ByteSource } from "./byte-source.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";

/** `read` and `readInto` of a Checkpoint, given the file of a tensor and the byte of it where the tensor begins. */
export function tensorReader(
  place: (name: string) => { readonly file: ByteSource; readonly begin: number } | undefined,
): Pick<Checkpoint, "read" | "readInto"> {
  let buffer = new Uint8Array(0);
  const readInto = (tensor: StoredTensor, begin: number, target: Uint8Array): Promise<void> => {
    const placed = place(tensor.name);
    const end = begin + target.length;
    if (placed === undefined || begin < 0 || end > tensor.byteLength) {
      throw new RangeError(`bytes ${begin} to ${end} of ${tensor.name}, which has ${tensor.byteLength}`);
    }
    return placed.file.readInto(target, placed.begin + begin);
  };
  return {
    readInto,
    read: async (tensor, begin, end) => {
      if (end < begin) throw new RangeError(`bytes ${begin} to ${end} of ${tensor.name}`);
      if (buffer.length < end - begin) buffer = new Uint8Array(end - begin);
      const target = buffer.subarray(0, end - begin);
      await readInto(tensor, begin, target);
      return target;
    },
  };
}
