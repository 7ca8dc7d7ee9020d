/** PyTorch, in a process of Python's (`REFRAIN_PYTHON`) that waits for a number of steps on its standard input. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { batch, firstWeights, recipe, shape, tensors } from "./model.mjs";

/** @param {{ threads: number, python: string }} options */
export async function open({ threads, python }) {
  const script = fileURLToPath(new URL("pytorch.py", import.meta.url));
  const child = spawn(python, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended with code ${child.exitCode ?? (await once(child, "exit"))[0]}`);
    return JSON.parse(value);
  };
  const { tokens, targets } = batch();
  const head = { shape, recipe, tensors, threads, tokens: [...tokens], targets: [...targets] };
  child.stdin.write(`${JSON.stringify(head)}\n`);
  for (const [, values] of firstWeights()) child.stdin.write(Buffer.from(values.buffer));
  return {
    info: await answer(),
    /** @param {{ steps: number }} work */
    time({ steps }) {
      child.stdin.write(`${steps}\n`);
      return answer();
    },
  };
}
