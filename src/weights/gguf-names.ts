/**
 * From the names of tensors in GGUF files to those on the Hugging Face hub and back, for the architectures that Refrain runs, and
 * which tensors llama.cpp's converter stores in another order than the hub does:
 *
 * - architecture "llama" rotates neighbouring entries of a head, so the rows of query and key projections are interleaved
 *   (Qwen's are not);
 * - GPT-2's matrices stand [out, in] like everyone else's, where the hub has [in, out].
 */

export const architectures = ["llama", "qwen2", "qwen3", "gpt2"] as const;

export type Architecture = (typeof architectures)[number];

export interface HubName {
  readonly name: string;
  /** The block that the tensor belongs to, if it belongs to one. */
  readonly block?: number;
  /** Rows with the halves of each head interleaved: as many heads as there are query or key heads. */
  readonly interleaved?: "query" | "key";
  readonly transposed?: true;
}

interface Naming {
  /** Names outside of blocks, in full. */
  readonly whole: Readonly<Record<string, string>>;
  readonly blockPrefix: string;
  /** Names within a block, without `.weight` or `.bias`. */
  readonly block: Readonly<Record<string, string>>;
}

const llamaNames: Naming = {
  whole: {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
    // What Llama 3 divides its rotary frequencies by, worked out by the converter. It has no counterpart on the hub.
    "rope_freqs.weight": "rope_freqs.weight",
  },
  blockPrefix: "model.layers",
  block: {
    attn_norm: "input_layernorm",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.o_proj",
    attn_q_norm: "self_attn.q_norm",
    attn_k_norm: "self_attn.k_norm",
    ffn_norm: "post_attention_layernorm",
    ffn_gate: "mlp.gate_proj",
    ffn_up: "mlp.up_proj",
    ffn_down: "mlp.down_proj",
  },
};

const gpt2Names: Naming = {
  whole: {
    "token_embd.weight": "transformer.wte.weight",
    "position_embd.weight": "transformer.wpe.weight",
    "output_norm.weight": "transformer.ln_f.weight",
    "output_norm.bias": "transformer.ln_f.bias",
    "output.weight": "lm_head.weight",
  },
  blockPrefix: "transformer.h",
  block: {
    attn_norm: "ln_1",
    attn_qkv: "attn.c_attn",
    attn_output: "attn.c_proj",
    ffn_norm: "ln_2",
    ffn_up: "mlp.c_fc",
    ffn_down: "mlp.c_proj",
  },
};

const blockTensor = /^blk\.(0|[1-9]\d{0,5})\.([a-z_]+)\.(weight|bias)$/;

const hubBlockTensor = /^(model\.layers|transformer\.h)\.(\d+)\.(.+)\.(weight|bias)$/;

/** The name in a GGUF file for a tensor of the hub, or undefined where the architecture has no such tensor. */
export function storedName(architecture: Architecture, hub: string): string | undefined {
  const naming = architecture === "gpt2" ? gpt2Names : llamaNames;
  const keyOf = (names: Readonly<Record<string, string>>, name: string | undefined) =>
    Object.keys(names).find((key) => names[key] === name);
  const [, prefix, number, part, kind] = hubBlockTensor.exec(hub) ?? [];
  if (prefix !== naming.blockPrefix) return keyOf(naming.whole, hub);
  const stored = keyOf(naming.block, part);
  return stored && `blk.${number}.${stored}.${kind}`;
}

/** The hub's name for a tensor of a GGUF file, or undefined where the architecture has no such tensor. */
export function hubName(architecture: Architecture, stored: string): HubName | undefined {
  const naming = architecture === "gpt2" ? gpt2Names : llamaNames;
  if (Object.hasOwn(naming.whole, stored)) return { name: naming.whole[stored]! };
  const [, number, part, kind] = blockTensor.exec(stored) ?? [];
  if (part === undefined || !Object.hasOwn(naming.block, part)) return undefined;
  const common = { name: `${naming.blockPrefix}.${number}.${naming.block[part]}.${kind}`, block: Number(number) };
  if (architecture === "llama" && part === "attn_q") return { ...common, interleaved: "query" };
  if (architecture === "llama" && part === "attn_k") return { ...common, interleaved: "key" };
  if (architecture === "gpt2" && kind === "weight" && !part.endsWith("_norm")) return { ...common, transposed: true };
  return common;
}
