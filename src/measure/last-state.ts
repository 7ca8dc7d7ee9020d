/**
 * How much does a changed model's last hidden state still point where the original's did? Measured on what the output
 * projection reads, behind the final norm: before it, the few tokens with enormous states would decide alone.
 */
import type { Model } from "../refrain.ts";
import { yieldToEvents } from "../yield.ts";

/** The last hidden state of every token of each sentence, [tokens, width]; sentences are read from position 0. */
export async function lastStates(
  model: Model,
  sentences: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const longest = Math.max(...sentences.map((sentence) => sentence.length));
  const session = model.session({ output: "state", contextLength: longest });
  try {
    const states: Float32Array[] = [];
    for (const sentence of sentences) {
      session.rewind(0);
      const state = new Float32Array(sentence.length * model.config.hiddenSize);
      for (let at = 0; at < sentence.length; at += session.maxRows) {
        signal?.throwIfAborted();
        const rows = Math.min(session.maxRows, sentence.length - at);
        session.play(sentence.slice(at, at + rows), { tail: 0 });
        state.set(session.state(rows), at * model.config.hiddenSize);
        await yieldToEvents();
      }
      states.push(state);
    }
    return states;
  } finally {
    session.dispose();
  }
}

/** Mean over sentences of the cosine of two states, each [tokens · width] as one vector (LaCo, arXiv 2402.11187, section 2.3). */
export function meanCosine(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return a.reduce((sum, state, i) => sum + cosine(state, b[i]!), 0) / a.length;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return dot / Math.sqrt(aa * bb);
}
