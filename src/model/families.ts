/** Which family plays which `model_type`. A new family is one file and one line here. */
import { albert } from "./albert.ts";
import type { ModelConfig } from "./config.ts";
import type { Family } from "./family.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";

export function familyOf(config: ModelConfig): Family {
  if (config.modelType === "albert") return albert;
  return config.modelType === "gpt2" ? gpt2 : llama;
}
