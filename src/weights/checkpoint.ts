/**
 * What every file reader hands to the rest of Refrain: a checkpoint in the shape of a Hugging Face folder.
 *
 * Formats differ in names (`blk.0.attn_q.weight`), in the order of rows (GGUF and llama2.c interleave the two halves of
 * a rotary head) and in orientation (GPT-2 on the hub keeps [in, out]). A reader translates names and says the rest in
 * data, so that a model family knows one naming and nothing of files. No tensor is read before it is asked for.
 */

/** Element types as files have them. */
export type StoredType = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q4_K" | "Q5_K" | "Q6_K";

/** One tensor as it lies in a file. */
export interface StoredTensor {
  /** The Hugging Face name, e.g. `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  /** The name in the file, for messages. */
  readonly storedName: string;
  readonly type: StoredType;
  /** As the file holds it, outermost dimension first; rows are contiguous. */
  readonly shape: readonly number[];
  /** Bytes of the whole tensor. */
  readonly byteLength: number;
  /**
   * Set where rows of a query or key projection are stored with the halves of each rotary head interleaved
   * (x0 y0 x1 y1 …) instead of one after the other (x0 x1 … y0 y1 …), which is the Hugging Face order.
   */
  readonly interleavedHeads?: number;
  /** True where the file holds the transpose of what the Hugging Face name stands for. */
  readonly transposed?: boolean;
}

/** Where a tokenizer can be made from; `text/tokenizer.ts` opens it. */
export type VocabularySource =
  /** Parsed `tokenizer.json` and, where present, `tokenizer_config.json`. */
  | {
      readonly kind: "huggingface";
      readonly tokenizer: Readonly<Record<string, unknown>>;
      readonly config: Readonly<Record<string, unknown>>;
    }
  /** The `tokenizer.*` metadata of a GGUF file, keys as in the file. */
  | { readonly kind: "gguf"; readonly metadata: ReadonlyMap<string, unknown> }
  /** The bytes of a llama2.c `tokenizer.bin`. */
  | { readonly kind: "llama2.c"; readonly bytes: Uint8Array; readonly vocabSize: number };

export interface Checkpoint {
  readonly format: "safetensors" | "gguf" | "llama2.c";
  /** The folder or file, for messages and for `inspect`. */
  readonly path: string;
  /** In the shape of `config.json`, whatever the format: `model_type`, `hidden_size`, … */
  readonly config: Readonly<Record<string, unknown>>;
  /** By Hugging Face name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  vocabulary(): Promise<VocabularySource | undefined>;
  /** Bytes [begin, end) of a tensor, at most a few MiB at a time; the result is only valid until the next read. */
  read(tensor: StoredTensor, begin: number, end: number): Promise<Uint8Array>;
  /** Fills `target` with the bytes of a tensor from `begin` on. Several may be under way at once. */
  readInto(tensor: StoredTensor, begin: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
