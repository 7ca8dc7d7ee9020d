/** Models of a few kilobytes for tests of commands: random weights, every printable ASCII character a token. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fixture = (name: string) => join(import.meta.dirname, "../../test/fixtures/models", name);
const template =
  "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}" +
  "{% if add_generation_prompt %}<|assistant|>{% endif %}";

interface Tiny {
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** One that can be talked to: 3 blocks, 128 tokens of context. A new folder; call `remove` at the end. */
export function tinyModel({ chat = true } = {}): Promise<Tiny> {
  const special = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"];
  return withCharacters("llama-gqa", special, { eos_token: "</s>", ...(chat ? { chat_template: template } : {}) });
}

/** An ALBERT, one block three times, 64 tokens of context; a text stands between [CLS] and [SEP]. */
export function tinyEncoder({ mask = true } = {}): Promise<Tiny> {
  const framed = ["[CLS]", "", "[SEP]"].map((id) => (id === "" ? { Sequence: { id: "A" } } : { SpecialToken: { id } }));
  return withCharacters("albert", ["[CLS]", "[SEP]", "[MASK]"], mask ? { mask_token: "[MASK]" } : {}, {
    post_processor: { type: "TemplateProcessing", single: framed },
  });
}

async function withCharacters(name: string, special: string[], config: object, more: object = {}): Promise<Tiny> {
  const path = await mkdtemp(join(tmpdir(), "refrain-tiny-"));
  await cp(fixture(name), path, { recursive: true });
  const characters = ["Ġ", "Ċ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))];
  const vocab = Object.fromEntries([...special, ...characters].map((text, id) => [text, id]));
  const tokenizer = {
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges: [] },
    ...more,
  };
  await writeFile(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
  await writeFile(join(path, "tokenizer_config.json"), JSON.stringify(config));
  return { path, remove: () => rm(path, { recursive: true }) };
}
