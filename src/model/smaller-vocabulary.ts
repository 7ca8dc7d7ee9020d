/** A model with fewer tokens: their rows of the embedding, and of the output projection where that is a table of its own. */
import type { VocabularyChoice } from "../text/smaller-vocabulary.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type ComputedTensor, pick } from "../weights/computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "../weights/edited-checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor } from "./load-weights.ts";

/** `checkpoint`, of a decoder, with the tokens of `choice` alone, renumbered in its config, too. */
export function withTokens(
  checkpoint: Checkpoint,
  config: ModelConfig,
  { kept, vocabulary }: VocabularyChoice,
): EditedCheckpoint {
  const tensors = new Map<string, ComputedTensor>();
  for (const parameter of familyOf(config).outer(config)) {
    if (parameter.kind !== "matrix" || (parameter.part !== "embedding" && parameter.part !== "head")) continue;
    tensors.set(parameter.name, pick(checkpoint, findTensor(checkpoint, parameter), "rows", kept));
  }
  return editedCheckpoint(checkpoint, { tensors, vocabulary, config: withIds(checkpoint.config, kept) });
}

/** bos_token_id and the like: an id, or a list of them. */
function withIds(config: Readonly<Record<string, unknown>>, kept: readonly number[]): Record<string, unknown> {
  const places = new Map(kept.map((id, place) => [id, place]));
  const place = (id: unknown): unknown => (Array.isArray(id) ? id.map(place) : (places.get(id as number) ?? id));
  const entries = Object.entries(config).map(([key, value]) => [key, key.endsWith("_token_id") ? place(value) : value]);
  return { ...Object.fromEntries(entries), vocab_size: kept.length };
}
