/** A model of a few kilobytes that can be talked to: random weights, every printable ASCII character a token, 128 tokens of context. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../../test/fixtures/models/llama-gqa");
const template =
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}" +
  "{% if add_generation_prompt %}<|assistant|>{% endif %}";

/** A new folder; call `remove` at the end. */
export async function tinyModel({ chat = true } = {}): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "refrain-tiny-"));
  await cp(folder, path, { recursive: true });
  const special = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"];
  const characters = ["Ġ", "Ċ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))];
  const vocab = Object.fromEntries([...special, ...characters].map((text, id) => [text, id]));
  const tokenizer = {
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges: [] },
  };
  const config = { eos_token: "</s>", ...(chat ? { chat_template: template } : {}) };
  await writeFile(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
  await writeFile(join(path, "tokenizer_config.json"), JSON.stringify(config));
  return { path, remove: () => rm(path, { recursive: true }) };
}
