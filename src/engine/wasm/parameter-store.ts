/**
 * Parameters in a player's memory, packed for its kernels. Matrices are written and read 16 rows at a time through a
 * small staging area, so that loading needs no more memory than the weights themselves.
 */
import { inputError } from "../../errors.ts";
import {
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

export const blockStorage: Readonly<Record<BlockType, StorageType>> = { Q8_0: "q8", Q4_0: "q4", Q4_1: "q4_1" };

interface Placed {
  readonly parameter: Parameter;
  readonly type: StorageType;
  readonly address: number;
}

export class ParameterStore {
  private readonly player: WasmPlayer;
  private readonly placed = new Map<string, Placed>();
  private staging: { address: number; bytes: number } | undefined;

  constructor(player: WasmPlayer) {
    this.player = player;
  }

  /** Takes memory for a parameter; vectors are f32 whatever `type` says. */
  reserve(parameter: Parameter, type: StorageType): void {
    if (this.placed.has(parameter.name)) throw new Error(`${parameter.name} is already placed`);
    const kept = parameter.kind === "vector" ? "f32" : type;
    const address = this.player.allocate(parameterBytes(parameter, kept), parameter.name);
    this.placed.set(parameter.name, { parameter, type: kept, address });
  }

  has(parameter: Parameter): boolean {
    return this.placed.has(parameter.name);
  }

  type(parameter: Parameter): StorageType {
    return this.find(parameter).type;
  }

  address(parameter: Parameter): number {
    return this.find(parameter).address;
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

  /** Writes rows as a GGUF file holds them, exactly; the matrix must be kept in the matching type. */
  writeBlocks(parameter: Parameter, firstRow: number, rowCount: number, bytes: Uint8Array, from: BlockType): void {
    const { columns } = parameter;
    const rowBytes = bytes.length / rowCount;
    const { kernels } = this.player;
    const pack = { Q8_0: kernels.repackQ8_0, Q4_0: kernels.repackQ4_0, Q4_1: kernels.repackQ4_1 }[from];
    this.eachGroup(parameter, firstRow, rowCount, (rows, offset, target) => {
      const source = this.stage(rows * rowBytes);
      this.player.bytes(source, rows * rowBytes).set(bytes.subarray(offset * rowBytes, (offset + rows) * rowBytes));
      pack(source, rows, columns, target, padded(columns));
    });
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
    const placed = this.placed.get(parameter.name);
    if (!placed) throw new Error(`${parameter.name} is not loaded`);
    return placed;
  }

  private eachGroup(
    parameter: Parameter,
    firstRow: number,
    rowCount: number,
    write: (rows: number, offset: number, target: number) => void,
  ): void {
    const { type, address } = this.find(parameter);
    if (firstRow % GROUP !== 0) throw new Error(`${parameter.name}: row ${firstRow} does not begin a group`);
    const groupBytes = matrixBytes(type, GROUP, parameter.columns);
    for (let g = 0; g < groups(rowCount); g++) {
      const rows = Math.min(GROUP, rowCount - g * GROUP);
      write(rows, g * GROUP, address + (firstRow / GROUP + g) * groupBytes);
    }
  }

  private stage(bytes: number): number {
    if (this.staging && this.staging.bytes >= bytes) return this.staging.address;
    if (this.staging) this.player.free(this.staging.address);
    this.staging = { address: this.player.allocate(bytes, "staging"), bytes };
    return this.staging.address;
  }
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
