/**
 * Parameters in a player's memory, packed for its kernels. Matrices are written and read a few rows at a time through a
 * small staging area, so that loading needs no more memory than the weights themselves.
 */
import { inputError } from "../../errors.ts";
import {
  BLOCK,
  GROUP,
  groups,
  matrixBytes,
  type Parameter,
  padded,
  parameterBytes,
  type StorageType,
  storageLayouts,
} from "../parameter.ts";
import type { WasmPlayer } from "./player.ts";

/** Quantized blocks of a file that the kernels read as they are, in a different order. */
export type BlockType = "Q8_0" | "Q4_0" | "Q4_1";

/** The type that such blocks are kept as, and the bytes of one in the file. */
export const blockTypes: Readonly<Record<BlockType, { readonly storage: StorageType; readonly bytes: number }>> = {
  Q8_0: { storage: "q8", bytes: 34 },
  Q4_0: { storage: "q4", bytes: 18 },
  Q4_1: { storage: "q4_1", bytes: 20 },
};

/** Bytes of a row in the file. */
const blockRowBytes = (type: BlockType, columns: number): number => (columns / BLOCK) * blockTypes[type].bytes;

interface Placed {
  readonly parameter: Parameter;
  readonly type: StorageType;
  readonly address: number;
  readonly headWidth: number;
}

export class ParameterStore {
  private readonly player: WasmPlayer;
  private readonly base: ParameterStore | undefined;
  private readonly placed = new Map<string, Placed>();
  private staging: { address: number; bytes: number } | undefined;

  /** What is not in this store is looked up in `base`, which must outlive it: a model with some weights changed. */
  constructor(player: WasmPlayer, base?: ParameterStore) {
    this.player = player;
    this.base = base;
  }

  /**
   * Takes memory for a parameter; vectors are f32 whatever `type` says. `headWidth` is that of heads whose halves are interleaved
   * in a file whose blocks will be kept, else 0. Nothing after this takes memory: views stay good while others are filled.
   */
  reserve(parameter: Parameter, type: StorageType, headWidth = 0): void {
    if (this.placed.has(parameter.name)) throw new Error(`${parameter.name} is already placed`);
    const kept = parameter.kind === "vector" ? "f32" : type;
    const address = this.player.allocate(parameterBytes(parameter, kept), parameter.name);
    this.placed.set(parameter.name, { parameter, type: kept, address, headWidth });
    this.stage(Math.max(GROUP * 4, 2 * liftedRows(headWidth)) * padded(parameter.columns));
  }

  has(parameter: Parameter): boolean {
    return this.placed.has(parameter.name) || (this.base?.has(parameter) ?? false);
  }

  type(parameter: Parameter): StorageType {
    return this.find(parameter).type;
  }

  address(parameter: Parameter): number {
    return this.find(parameter).address;
  }

  /** As it lies packed in memory: a view that is good until memory is next taken. */
  packed(parameter: Parameter): Uint8Array {
    const { type, address } = this.find(parameter);
    return this.player.bytes(address, parameterBytes(parameter, type));
  }

  /** Writes a vector. */
  writeVector(parameter: Parameter, values: Float32Array): void {
    const { address } = this.find(parameter);
    refuseNonFinite(
      parameter,
      values.findIndex((v) => !Number.isFinite(v)),
      0,
    );
    this.player.floats(address, parameter.columns).set(values);
  }

  /** Writes rows [firstRow, …) from f32, rounding to the type the matrix is kept in; `firstRow` is a multiple of 16. */
  writeRows(parameter: Parameter, firstRow: number, values: Float32Array): void {
    const { columns } = parameter;
    const { type } = this.find(parameter);
    const { kernels } = this.player;
    this.eachGroup(parameter, firstRow, values.length / columns, (rows, offset, target) => {
      const source = this.stage(rows * columns * 4);
      this.player.floats(source, rows * columns).set(values.subarray(offset * columns, (offset + rows) * columns));
      const bad = kernels.firstNonFinite(source, rows * columns);
      refuseNonFinite(parameter, bad, firstRow + offset);
      if (type === "f16" && kernels.maxMagnitude(source, rows * columns) > 65504) {
        throw inputError(
          "f16-range",
          `${parameter.name}: a weight in rows ${firstRow + offset}–${firstRow + offset + rows - 1} is larger than f16 can hold (65,504)`,
          "Load with --weights f32 or q8.",
        );
      }
      const pack = { f32: kernels.packF32, f16: kernels.packF16, q8: kernels.packQ8, q4: kernels.packQ4 };
      if (type === "q4_1") throw new Error("q4_1 is only kept where a file brings it");
      pack[type](source, rows, columns, target, padded(columns));
    });
  }

  /** Writes a whole parameter from f32, row-major [rows, columns]. */
  write(parameter: Parameter, values: Float32Array): void {
    const { name, kind, rows, columns } = parameter;
    if (values.length !== rows * columns) throw new Error(`${name}: ${values.length} values for ${rows} × ${columns}`);
    if (kind === "vector") this.writeVector(parameter, values);
    else this.writeRows(parameter, 0, values);
  }

  /**
   * Where rows [firstRow, firstRow + rowCount) of a GGUF file are to be read to, before `settle` packs them: the end of the place
   * that they will have. The view is good until memory is next taken.
   */
  landing(parameter: Parameter, firstRow: number, rowCount: number, from: BlockType): Uint8Array {
    const { begin, groupBytes } = this.span(parameter, firstRow);
    const length = rowCount * blockRowBytes(from, parameter.columns);
    return this.player.bytes(begin + groups(rowCount) * groupBytes - length, length);
  }

  /** Packs rows that lie in their `landing`, values untouched; the matrix must be kept in the matching type. */
  settle(parameter: Parameter, firstRow: number, rowCount: number, from: BlockType): void {
    const { columns } = parameter;
    const { headWidth, type } = this.find(parameter);
    const { kernels } = this.player;
    const pack = { Q8_0: kernels.repackQ8_0, Q4_0: kernels.repackQ4_0, Q4_1: kernels.repackQ4_1 }[from];
    const rowBytes = blockRowBytes(from, columns);
    const unit = liftedRows(headWidth);
    const scratch = this.stage(unit * rowBytes);
    const { begin, groupBytes } = this.span(parameter, firstRow);
    const source = begin + groups(rowCount) * groupBytes - rowCount * rowBytes;
    // Packed rows are no shorter than a file's, so what is written never passes what is still to be read.
    if (groupBytes < GROUP * rowBytes) throw new Error(`${from} rows are longer than ${type}`);
    for (let first = 0; first < rowCount; first += unit) {
      const rows = Math.min(unit, rowCount - first);
      kernels.liftRows(source + first * rowBytes, rows, rowBytes, headWidth, scratch);
      for (let row = 0; row < rows; row += GROUP) {
        pack(scratch + row * rowBytes, columns, begin + ((first + row) / GROUP) * groupBytes);
      }
    }
  }

  /** The values that the kernels compute with, row-major [rows, columns] (a vector: [columns]). */
  read(parameter: Parameter): Float32Array {
    const { rows, columns } = parameter;
    const { type, address } = this.find(parameter);
    if (parameter.kind === "vector") return this.player.floats(address, columns).slice();
    const out = new Float32Array(rows * columns);
    const row = this.stage(padded(columns) * 4);
    for (let r = 0; r < rows; r++) {
      this.player.kernels.unpackRow(storageLayouts[type].id, address, r, padded(columns), row);
      out.set(this.player.floats(row, columns), r * columns);
    }
    return out;
  }

  dispose(): void {
    for (const { address } of this.placed.values()) this.player.free(address);
    this.placed.clear();
    if (this.staging) this.player.free(this.staging.address);
    this.staging = undefined;
  }

  private find(parameter: Parameter): Placed {
    const placed = this.placed.get(parameter.name) ?? this.base?.find(parameter);
    if (!placed) throw new Error(`${parameter.name} is not loaded`);
    return placed;
  }

  private eachGroup(
    parameter: Parameter,
    firstRow: number,
    rowCount: number,
    write: (rows: number, offset: number, target: number) => void,
  ): void {
    const { begin, groupBytes } = this.span(parameter, firstRow);
    for (let g = 0; g < groups(rowCount); g++) {
      const rows = Math.min(GROUP, rowCount - g * GROUP);
      write(rows, g * GROUP, begin + g * groupBytes);
    }
  }

  /** Where the group that begins with `firstRow` stands, and how far apart groups are. */
  private span(parameter: Parameter, firstRow: number): { begin: number; groupBytes: number } {
    const { type, address } = this.find(parameter);
    if (firstRow % GROUP !== 0) throw new Error(`${parameter.name}: row ${firstRow} does not begin a group`);
    const groupBytes = matrixBytes(type, GROUP, parameter.columns);
    return { begin: address + (firstRow / GROUP) * groupBytes, groupBytes };
  }

  private stage(bytes: number): number {
    if (this.staging && this.staging.bytes >= bytes) return this.staging.address;
    if (this.staging) this.player.free(this.staging.address);
    this.staging = { address: this.player.allocate(bytes, "staging"), bytes };
    return this.staging.address;
  }
}

/** Rows that `settle` has in hand at once: whole groups and whole heads. */
function liftedRows(headWidth: number): number {
  return headWidth === 0 ? GROUP : leastCommonMultiple(GROUP, headWidth);
}

export function leastCommonMultiple(a: number, b: number): number {
  const gcd = (x: number, y: number): number => (y === 0 ? x : gcd(y, x % y));
  return (a / gcd(a, b)) * b;
}

function refuseNonFinite(parameter: Parameter, index: number, firstRow: number): void {
  if (index < 0) return;
  const row = firstRow + Math.floor(index / parameter.columns);
  throw inputError(
    "weight-not-finite",
    `${parameter.name}: the weight at row ${row}, column ${index % parameter.columns} is not a finite number`,
    "The file is damaged or was saved from a diverged run; fetch it again.",
  );
}
