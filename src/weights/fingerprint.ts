/** Tells models apart that look alike from outside: a hash of a sample of their weights. */
import { createHash } from "node:crypto";
import type { Checkpoint } from "./checkpoint.ts";

/** Of each tensor so many bytes are hashed: training changes all of them, and a model is told within milliseconds. */
const SAMPLE = 4096;

/** sha256 over the names, types and shapes of all tensors and the first bytes of each; the same for the same file. */
export async function fingerprint(checkpoint: Checkpoint): Promise<string> {
  const hash = createHash("sha256");
  for (const name of [...checkpoint.tensors.keys()].sort()) {
    const tensor = checkpoint.tensors.get(name)!;
    hash.update(JSON.stringify([name, tensor.type, tensor.shape]));
    hash.update(await checkpoint.read(tensor, 0, Math.min(SAMPLE, tensor.byteLength)));
  }
  return hash.digest("hex");
}
