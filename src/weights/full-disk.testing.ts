/** A disk that becomes full, for tests of what is left then. */
import { vi } from "vitest";
import { type Disk, realDisk } from "./disk.ts";

/** Does `work`; of all that it writes, the write of number `at` gets half its bytes to the disk and fails. None does with 0. */
export async function whileFull<T>(
  at: number,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly writes: number }> {
  const write = realDisk.write;
  let writes = 0;
  const full: Disk["write"] = async (handle, bytes, position) => {
    if (++writes !== at) return write(handle, bytes, position);
    await write(handle, bytes.subarray(0, bytes.length >> 1), position);
    throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
  };
  const spy = vi.spyOn(realDisk, "write").mockImplementation(full);
  try {
    return { result: await work(), writes };
  } finally {
    spy.mockRestore();
  }
}
