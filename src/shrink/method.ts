/**
 * What a shrinking method is. It takes a model in memory and what the user wants of it, and says what to play from now
 * on: other steps, other weights, or both. It writes nothing; `shrink.ts` does.
 *
 * A method is one file beside this one, made by `defineMethod`, and one line in `methods.ts`; the command line, its help and
 * `shrink.json` know the rest from here:
 *
 *     export const deepest = defineMethod({
 *       name: "deepest",
 *       description: "the last steps but the very last",
 *       paper: "The Unreasonable Ineffectiveness of the Deeper Layers (arXiv 2403.17887)",
 *       amounts: ["drop", "params"],
 *       options: { keep: integerOption({ hint: "N", min: 0, max: 9, default: 1, description: "last steps that stay" }) },
 *       async run({ model, amount, signal, onProgress }, { keep }) {
 *         …
 *         return { steps, dropped, scores: [], notes: [] };
 *       },
 *     });
 *
 * Every random choice comes from an option `seed`: the same call must give the same bytes.
 */
import type { OnProgress } from "../progress.ts";
import type { Edit, Model } from "../refrain.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { Amount } from "./amount.ts";
import type { Budget } from "./budget.ts";
import type { Search } from "./front.ts";
import type { MethodOptions, OptionValues } from "./method-options.ts";

/** What goes into `shrink.json`. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The text that a method goes by: whole windows from its beginning. */
export interface Calibration {
  /** [windows × window] */
  readonly tokens: readonly number[];
  readonly window: number;
  readonly windows: number;
  /** The file; the hash is of all of it. */
  readonly text: { readonly name: string; readonly sha256: string };
}

/** Where a long search keeps what it knows, so that one that was stopped goes on where it was. */
export interface Journal {
  /** What the same search, with the same model, text and options, has kept; undefined where it is new. */
  read(): Promise<Json | undefined>;
  /** Replaces what is kept; on disk when it resolves. */
  write(state: Json): Promise<void>;
  /** Where a training may keep its checkpoint (train/run-state.ts), and what that is of; undefined where nothing outlives the process. */
  readonly checkpoint?: { readonly path: string; readonly identity: Readonly<Record<string, string>> };
}

export interface MethodContext {
  /** Its steps are the ones to shrink; all its weights are in memory. Tensors as stored: `openCheckpoint(model.path)`. */
  readonly model: Model;
  /** What the user wants to go; undefined where `amounts` has neither "drop" nor "params". */
  readonly amount: Amount | undefined;
  /** What the user wants to stay within; undefined where `amounts` has no "fit" or "speed" and the user gave no share. */
  readonly budget?: Budget | undefined;
  /** Present where the method has `calibration`. */
  readonly calibration: Calibration | undefined;
  readonly journal: Journal;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What a method decided. */
export interface Shrunk {
  /** To play, in the block numbers of the source, or of the checkpoint that `edit` makes of it. */
  readonly steps: Steps;
  /**
   * The checkpoint with other weights, where the method changed some; computed from the source, so that it can be opened
   * as often as it is needed (to save it, to verify what was saved). Closing it closes the source.
   */
  readonly edit?: Edit | undefined;
  /** Positions of the model's own steps (with `halves`, of its halves) that are gone, ascending; empty where none is. */
  readonly dropped: readonly number[];
  /** `dropped` counts attention and feed-forward halves. */
  readonly halves?: boolean;
  /** As good a choice, as far as its measurement can tell. */
  readonly rival?: readonly number[] | undefined;
  /** What the choice rests on, for the record. */
  readonly scores: Json;
  /** Whatever else is needed to understand the choice, for the record: its order, its rounds, what was merged. */
  readonly record?: { readonly [key: string]: Json };
  /** All that a search tried, to be drawn. */
  readonly search?: Search;
  /** Whole sentences for a person: what was done beside dropping steps, and what to mind. */
  readonly notes: readonly string[];
}

export interface MethodDefinition<O extends MethodOptions> {
  /** As `--by` takes it. */
  readonly name: string;
  /** One line for the help text, behind the name. */
  readonly description: string;
  readonly paper: string;
  /** How its user says how much goes: `--drop N`, `--params SHARE` and so on; empty where it takes none. */
  readonly amounts: readonly (Amount | Budget)["kind"][];
  /** Windows of text that it reads where the user does not say; undefined: it takes no text. */
  readonly calibration?: { readonly window: number; readonly windows: number };
  /** Its own options. Methods that share a name of an option share the option, too. */
  readonly options: O;
  /** Throws RefrainErrors of kind "input" for what its user can mend, and the signal's reason when it is aborted. */
  readonly run: (context: MethodContext, options: OptionValues<O>) => Promise<Shrunk>;
}

/** A method as the registry has it: the values have been checked by its options. */
export type Method = MethodDefinition<MethodOptions>;

export function defineMethod<const O extends MethodOptions>(definition: MethodDefinition<O>): Method {
  return { ...definition, run: (context, values) => definition.run(context, values as OptionValues<O>) };
}
