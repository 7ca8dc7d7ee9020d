/** Holds an adapter that was written against the one in memory: read again, it must play the same. */
import { failure } from "../errors.ts";
import type { Model } from "../refrain.ts";
import { readPeft } from "../weights/peft.ts";

const TOKENS = 64;

/** Throws `verify` where the adapter in `folder`, beside `base`, does not give the logits of `healed` to the bit. */
export async function verifyAdapter(base: Model, healed: Model, folder: string): Promise<void> {
  const written = base.withAdapter(await readPeft(folder), folder);
  try {
    const [ours, theirs] = [await logits(healed), await logits(written)];
    if (ours.every((value, i) => value === theirs[i])) return;
  } finally {
    await written.dispose();
  }
  throw failure(
    "verify",
    `${folder} was written, but it does not play as it did in memory`,
    "This is a bug in Refrain; the folder was left in place. Please report it with the model's name.",
  );
}

async function logits(model: Model): Promise<Float32Array> {
  const count = Math.min(TOKENS, model.config.contextLength);
  const tokens = Array.from({ length: count }, (_, i) => (i * 37 + 1) % model.config.vocabSize);
  const session = model.session({ contextLength: count });
  try {
    return (await session.feed(tokens)).slice();
  } finally {
    session.dispose();
  }
}
