/** Tensors of a GGUF file as ONNX Runtime wants them: the same whole numbers and the same scales in another order. */
import { dequantize } from "../../dist/weights/dequantize.js";
import { f16Table } from "../../dist/weights/half.js";

/** Weights that share a scale. */
export const BLOCK = 32;

/** All bytes of a tensor. */
async function bytesOf(checkpoint, tensor) {
  const bytes = new Uint8Array(tensor.byteLength);
  const MOST = 1 << 20;
  for (let at = 0; at < bytes.length; at += MOST) {
    const end = Math.min(bytes.length, at + MOST);
    bytes.set(await checkpoint.read(tensor, at, end), at);
  }
  return bytes;
}

function find(checkpoint, name) {
  const tensor = checkpoint.tensors.get(name);
  if (tensor === undefined) throw new Error(`${checkpoint.path} has no ${name}`);
  return tensor;
}

/** A tensor widened: for norms and for the table of embeddings. */
export async function floats(checkpoint, name) {
  const tensor = find(checkpoint, name);
  const data = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
  dequantize(tensor.type, await bytesOf(checkpoint, tensor), data);
  return { dims: tensor.shape, data };
}

/**
 * A matrix for MatMulNBits: `values` [rows, columns / 32, 32 × bits / 8] with the zero point that the operator assumes (8 or
 * 128), `scales` [rows × columns / 32]. Rows of a rotary projection get the order of Hugging Face.
 */
export async function quantized(checkpoint, name) {
  const tensor = find(checkpoint, name);
  const unpack = layouts[tensor.type];
  if (unpack === undefined) throw new Error(`${name} is ${tensor.type}; only Q4_0 and Q8_0 have an exact counterpart`);
  const [rows, columns] = tensor.shape;
  const { bits, bytes: blockBytes, values: writeValues } = unpack;
  const stored = await bytesOf(checkpoint, tensor);
  const blocks = columns / BLOCK;
  const valueBytes = (BLOCK * bits) / 8;
  const values = new Uint8Array(rows * blocks * valueBytes);
  const scales = new Float32Array(rows * blocks);
  const half = f16Table();
  const source = rowOrder(rows, tensor.interleavedHeads);
  for (let r = 0; r < rows; r++) {
    for (let b = 0; b < blocks; b++) {
      const from = (source(r) * blocks + b) * blockBytes;
      const to = r * blocks + b;
      scales[to] = half[stored[from] | (stored[from + 1] << 8)];
      writeValues(stored.subarray(from + 2, from + blockBytes), values.subarray(to * valueBytes));
    }
  }
  return { rows, columns, bits, blocks, valueBytes, values, scales };
}

const layouts = {
  /** ggml has weight j in the low and j + 16 in the high half of a byte, ONNX Runtime 2j and 2j + 1. */
  Q4_0: {
    bits: 4,
    bytes: 18,
    values(block, out) {
      const nibble = (j) => (j < 16 ? block[j] & 15 : block[j - 16] >> 4);
      for (let j = 0; j < 16; j++) out[j] = nibble(2 * j) | (nibble(2 * j + 1) << 4);
    },
  },
  Q8_0: {
    bits: 8,
    bytes: 34,
    values(block, out) {
      for (let j = 0; j < BLOCK; j++) out[j] = block[j] ^ 0x80; // q + 128
    },
  },
};

/** Which stored row becomes row r: the halves of a rotary head are interleaved in a GGUF and not in ONNX. */
function rowOrder(rows, heads) {
  if (heads === undefined) return (r) => r;
  const width = rows / heads;
  return (r) => {
    const within = r % width;
    const half = width / 2;
    return r - within + (within < half ? 2 * within : 2 * (within - half) + 1);
  };
}
