/**
 * Opens a GGUF file as a Checkpoint. The header is read here (2 MB of it, mostly vocabulary, for SmolLM2); tensors only when they are
 * asked for, from their place in the file.
 */
import { inputError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { architectureOf, type ConfigRecord, configFromGguf } from "./gguf-config.ts";
import { type GgufHeader, type GgufTensor, readGgufHeader } from "./gguf-header.ts";
import { type Architecture, architectures, type HubName, hubName } from "./gguf-names.ts";
import { quote } from "./gguf-values.ts";
import { tensorReader } from "./tensor-reader.ts";

/**
 * The model in a GGUF file. Closing the checkpoint closes the source, and so does a fault of the file: an input error with
 * a code `gguf-…`.
 */
export async function ggufCheckpoint(source: ByteSource): Promise<Checkpoint> {
  try {
    return await readCheckpoint(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readCheckpoint(source: ByteSource): Promise<Checkpoint> {
  const header = await readGgufHeader(source);
  const architecture = architectureOf(header, source.name);
  const config = configFromGguf(header, architecture, source.name);
  const tensors = new Map<string, StoredTensor>();
  const places = new Map<string, { file: ByteSource; begin: number }>();
  for (const stored of header.tensors) {
    const tensor = translate(stored, architecture, config, source.name);
    tensors.set(tensor.name, tensor);
    places.set(tensor.name, { file: source, begin: stored.begin });
  }
  return {
    format: "gguf",
    path: source.name,
    config,
    tensors,
    vocabulary: async () => {
      const metadata = tokenizerOf(header);
      return metadata.size === 0 ? undefined : { kind: "gguf", metadata };
    },
    ...tensorReader((name) => places.get(name)),
    close: () => source.close(),
  };
}

function translate(stored: GgufTensor, architecture: Architecture, config: ConfigRecord, file: string): StoredTensor {
  const hub = hubName(architecture, stored.name);
  const blocks = Number(config.num_hidden_layers ?? config.n_layer);
  if (hub === undefined || (hub.block !== undefined && hub.block >= blocks)) {
    throw inputError(
      "gguf-tensor-name",
      `${file}: a ${quote(architecture)} model of ${blocks} blocks has no tensor ${quote(stored.name)}`,
      `The file is of a variant that Refrain does not know. It runs ${architectures.join(", ")}.`,
    );
  }
  const { name, type, shape, byteLength } = stored;
  return {
    name: hub.name,
    storedName: name,
    type,
    shape,
    byteLength,
    ...interleaving(hub, stored, config, file),
    ...(hub.transposed ? { transposed: true } : {}),
  };
}

function interleaving(hub: HubName, stored: GgufTensor, config: ConfigRecord, file: string) {
  if (hub.interleaved === undefined) return {};
  const heads = Number(hub.interleaved === "query" ? config.num_attention_heads : config.num_key_value_heads);
  const rows = stored.shape[0]!;
  if (rows % (2 * heads) === 0) return { interleavedHeads: heads };
  throw inputError(
    "gguf-tensor-shape",
    `${file}: the ${rows} rows of the tensor ${quote(stored.name)} are not ${heads} heads of an even width`,
  );
}

function tokenizerOf(header: GgufHeader): ReadonlyMap<string, unknown> {
  return new Map([...header.metadata].filter(([key]) => key.startsWith("tokenizer.")));
}
