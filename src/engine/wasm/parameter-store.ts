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
import { groupAddress, layOutStreams, type Share, shareTable, shareWords } from "./streams.ts";

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

/** A parameter, how it is kept, and the width of heads whose halves are interleaved in a file whose blocks will be kept, else 0. */
export interface Wanted {
  readonly parameter: Parameter;
  readonly type: StorageType;
  readonly headWidth?: number;
}

interface Placed {
  readonly type: StorageType;
  readonly headWidth: number;
  /** What the kernels are given: where it begins, or, where it has shares, their table. */
  readonly address: number;
  readonly shares?: readonly Share[];
}

/** Quantized matrices are kept as streams, one for each thread; floats, which an optimizer walks, each in one piece. */
const isStreamed = ({ parameter, type }: Wanted): boolean =>
  parameter.kind === "matrix" && storageLayouts[type].activations !== "f32";

/** Looked up row by row; one that is also the projection to the vocabulary is read at the end of a token. */
const isTable = ({ parameter: { part } }: Wanted): boolean => part === "embedding" || part === "positions";

export class ParameterStore {
  private readonly player: WasmPlayer;
  private readonly base: ParameterStore | undefined;
  private readonly placed = new Map<string, Placed>();
  private readonly regions: number[] = [];
  private staging: { address: number; bytes: number } | undefined;

  /** What is not in this store is looked up in `base`, which must outlive it: a model with some weights changed. */
  constructor(player: WasmPlayer, base?: ParameterStore) {
    this.player = player;
    this.base = base;
  }

  /** Takes memory for one parameter: see `reserveAll`. */
  reserve(parameter: Parameter, type: StorageType, headWidth = 0): void {
    this.reserveAll([{ parameter, type, headWidth }]);
  }

  /**
   * Takes memory for parameters, given in the order in which they are played; vectors are f32 whatever their type says. Nothing
   * after this takes memory but `landing`: views stay good while others are filled.
   */
  reserveAll(wanted: readonly Wanted[]): void {
    const streamed: Wanted[] = [];
    for (const one of wanted) {
      const { parameter, headWidth = 0 } = one;
      if (this.placed.has(parameter.name)) throw new Error(`${parameter.name} is already placed`);
      if (isStreamed(one)) streamed.push(one);
      else {
        const type = parameter.kind === "vector" ? "f32" : one.type;
        const address = this.take(parameterBytes(parameter, type), parameter.name);
        this.placed.set(parameter.name, { type, headWidth, address });
      }
      this.stage(Math.max(GROUP * 4, 2 * liftedRows(headWidth)) * padded(parameter.columns));
    }
    if (streamed.length > 0) {
      this.placeStreams([...streamed.filter((one) => !isTable(one)), ...streamed.filter(isTable)]);
    }
  }

  private placeStreams(wanted: readonly Wanted[]): void {
    const { threads } = this.player;
    const matrices = wanted.map(({ parameter: { rows, columns }, type }) => ({
      groups: groups(padded(rows)),
      groupBytes: matrixBytes(type, GROUP, columns),
    }));
    const what = wanted.length === 1 ? wanted[0]!.parameter.name : "quantized weights";
    const address = this.take(layOutStreams(matrices, threads).bytes, what);
    const { shares } = layOutStreams(matrices, threads, address);
    const words = shareWords(threads);
    const tables = this.take(4 * words * wanted.length, what);
    wanted.forEach(({ parameter, type, headWidth = 0 }, i) => {
      const table = tables + 4 * words * i;
      this.player.integers(table, words).set(shareTable(shares[i]!));
      this.placed.set(parameter.name, { type, headWidth, address: table, shares: shares[i]! });
    });
  }

  has(parameter: Parameter): boolean {
    return this.placed.has(parameter.name) || (this.base?.has(parameter) ?? false);
  }

  type(parameter: Parameter): StorageType {
    return this.find(parameter).type;
  }

  /** What the kernels are given: where a parameter begins; of a quantized matrix, its table of shares (kernels/shares.ts). */
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

  /** Writes a whole parameter from f32, row-major [rows, columns]. */
  write(parameter: Parameter, values: Float32Array): void {
    const { name, kind, rows, columns } = parameter;
    if (values.length !== rows * columns) throw new Error(`${name}: ${values.length} values for ${rows} × ${columns}`);
    if (kind === "vector") this.writeVector(parameter, values);
    else this.writeRows(parameter, 0, values);
  }

  /**
   * The memory that holds a parameter, in the order of its rows: of a quantized matrix, a piece for each thread. Views that are
   * good until memory is next taken.
   */
  pieces(parameter: Parameter): Uint8Array[] {
    const { type, address, shares } = this.find(parameter);
    if (!shares) return [this.player.bytes(address, parameterBytes(parameter, type))];
    const groupBytes = matrixBytes(type, GROUP, parameter.columns);
    return shares.map(({ base, end }, i) => {
      const first = i === 0 ? 0 : shares[i - 1]!.end;
      return this.player.bytes(base + first * groupBytes, (end - first) * groupBytes);
    });
  }

  /** Memory that a file's blocks are read into before `settle` packs them; to be given back to `leave`. */
  landing(bytes: number): Uint8Array {
    return this.player.bytes(this.player.allocate(bytes, "what is being read"), bytes);
  }

  leave(landing: Uint8Array): void {
    this.player.free(landing.byteOffset);
  }

  /** Packs rows whose blocks begin `source`, in the player's memory, values untouched; the matrix must be kept in the matching type. */
  settle(parameter: Parameter, firstRow: number, rowCount: number, from: BlockType, source: Uint8Array): void {
    const { columns } = parameter;
    const { headWidth } = this.find(parameter);
    const { kernels } = this.player;
    const pack = { Q8_0: kernels.repackQ8_0, Q4_0: kernels.repackQ4_0, Q4_1: kernels.repackQ4_1 }[from];
    const rowBytes = blockRowBytes(from, columns);
    const unit = liftedRows(headWidth);
    const scratch = this.stage(unit * rowBytes);
    for (let first = 0; first < rowCount; first += unit) {
      const rows = Math.min(unit, rowCount - first);
      kernels.liftRows(source.byteOffset + first * rowBytes, rows, rowBytes, headWidth, scratch);
      for (let row = 0; row < rows; row += GROUP) {
        pack(scratch + row * rowBytes, columns, this.group(parameter, firstRow + first + row));
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
    for (const address of this.regions) this.player.free(address);
    this.regions.length = 0;
    this.placed.clear();
    if (this.staging) this.player.free(this.staging.address);
    this.staging = undefined;
  }

  private take(bytes: number, what: string): number {
    const address = this.player.allocate(bytes, what);
    this.regions.push(address);
    return address;
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
    for (let offset = 0; offset < rowCount; offset += GROUP) {
      write(Math.min(GROUP, rowCount - offset), offset, this.group(parameter, firstRow + offset));
    }
  }

  /** Where the group that begins with `row` stands. */
  private group(parameter: Parameter, row: number): number {
    const { type, address, shares } = this.find(parameter);
    if (row % GROUP !== 0) throw new Error(`${parameter.name}: row ${row} does not begin a group`);
    const groupBytes = matrixBytes(type, GROUP, parameter.columns);
    return shares ? groupAddress(shares, row / GROUP, groupBytes) : address + (row / GROUP) * groupBytes;
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
