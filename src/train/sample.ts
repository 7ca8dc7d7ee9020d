/** What a network that is being trained makes of a prompt: a decoder goes on, an encoder fills the masks. */
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";
import { fillMask } from "../generate/fill-mask.ts";
import { generate } from "../generate/generate.ts";
import { Session } from "../model/session.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { NewModel } from "./config.ts";

/** Tokens of a sample. */
const SAMPLE_TOKENS = 64;

export interface Sampling {
  readonly player: WasmPlayer;
  readonly store: ParameterStore;
  readonly model: NewModel;
  readonly tokenizer: Tokenizer;
  readonly prompt: string;
}

/** What follows the prompt; for an encoder the whole prompt with the likeliest token in the place of each mask. */
export async function sample(sampling: Sampling, seed: number): Promise<string> {
  const { player, store, model, tokenizer, prompt } = sampling;
  const { config, steps } = model;
  const contextLength = Math.min(config.contextLength, 512);
  const output = config.bidirectional ? "all-logits" : "last-logits";
  const session = new Session(player, store, config, steps, { contextLength, output });
  try {
    return await (config.bidirectional ? filled(session, sampling) : continued(session, tokenizer, prompt, seed));
  } finally {
    session.dispose();
  }
}

async function continued(session: Session, tokenizer: Tokenizer, prompt: string, seed: number): Promise<string> {
  let text = "";
  const tokens = prompt === "" ? [tokenizer.bos ?? tokenizer.stops[0] ?? 0] : tokenizer.encode(prompt);
  const maxTokens = Math.min(SAMPLE_TOKENS, session.contextLength - tokens.length);
  if (maxTokens < 1) return text;
  for await (const piece of generate(session, tokenizer, tokens, { maxTokens, seed })) text += piece;
  return text;
}

async function filled(session: Session, { tokenizer, prompt }: Sampling): Promise<string> {
  const tokens = tokenizer.encode(prompt).slice(0, session.maxRows);
  for (const { position, candidates } of fillMask(session, tokens, tokenizer.mask!, 1)) {
    tokens[position] = candidates[0]!.token;
  }
  return tokenizer.decode(tokens);
}
