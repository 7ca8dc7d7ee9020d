/**
 * Parameters: the trained numbers that a graph refers to by name. The engine knows their shapes and how they are stored,
 * not what they mean; `part`, `block` and `half` are for whoever counts, prunes or saves them.
 */

export interface Parameter {
  /** The Hugging Face name. */
  readonly name: string;
  readonly kind: "matrix" | "vector";
  /** Outputs of a linear map, entries of a table; 1 for a vector. */
  readonly rows: number;
  /** Inputs of a linear map, width of a table, length of a vector. */
  readonly columns: number;
  readonly part: "embedding" | "projection" | "positions" | "attention" | "ffn" | "norm" | "head";
  /** The block and half that it belongs to; absent outside the blocks. */
  readonly block?: number;
  readonly half?: "attention" | "ffn";
  /** True where a Hugging Face file holds [columns, rows] (GPT-2's Conv1D). */
  readonly transposed?: boolean;
}

/** How a matrix is kept in memory; vectors are always f32. `q4_1` is only kept where a file brings it. */
export type StorageType = "f32" | "f16" | "q8" | "q4" | "q4_1";

/** Bytes with their signs, for 4-bit weights; magnitudes and sign masks apart, for 8-bit ones. */
export type IntegerForm = "signed" | "split";

interface StorageLayout {
  /** The number by which the kernels know it. */
  readonly id: number;
  /** Bytes of 16 rows by 32 columns, the unit in which matrices are laid out. */
  readonly tileBytes: number;
  readonly kernel: string;
  /** What the kernel reads: f32 activations, or 8-bit integers in one of two forms. */
  readonly activations: "f32" | IntegerForm;
}

export const storageLayouts: Readonly<Record<StorageType, StorageLayout>> = {
  f32: { id: 0, tileBytes: 2048, kernel: "linearF32", activations: "f32" },
  f16: { id: 1, tileBytes: 1024, kernel: "linearF16", activations: "f32" },
  q8: { id: 2, tileBytes: 544, kernel: "linearQ8", activations: "split" },
  q4: { id: 3, tileBytes: 288, kernel: "linearQ4", activations: "signed" },
  q4_1: { id: 4, tileBytes: 320, kernel: "linearQ4_1", activations: "signed" },
};

/** Rows of a weight matrix that a kernel computes together. */
export const GROUP = 16;
/** Columns are padded to whole quantization blocks. */
export const BLOCK = 32;

export const padded = (columns: number): number => Math.ceil(columns / BLOCK) * BLOCK;
/** Bytes of a row of f32 values. */
export const stride = (width: number): number => padded(width) * 4;
export const groups = (rows: number): number => Math.ceil(rows / GROUP);

/** Bytes that a matrix takes in memory, padding included. */
export function matrixBytes(type: StorageType, rows: number, columns: number): number {
  return groups(rows) * (padded(columns) / BLOCK) * storageLayouts[type].tileBytes;
}

/**
 * Bytes that a parameter takes in memory when matrices are kept as `type`. Rows of a matrix are padded to whole
 * blocks of 32 too, with zeros: its outputs are what the next matrix reads in blocks. A vector is padded like a row of outputs.
 */
export function parameterBytes(parameter: Parameter, type: StorageType): number {
  return parameter.kind === "vector"
    ? padded(parameter.columns) * 4
    : matrixBytes(type, padded(parameter.rows), parameter.columns);
}
