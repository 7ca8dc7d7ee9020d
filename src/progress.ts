/** How long work reports itself; the command line draws it as a bar with rate and time left. */
export interface Progress {
  /** What is being done, e.g. "loading weights". */
  readonly label: string;
  readonly done: number;
  readonly total: number;
  /** How it stands, in a few words: "step 120, loss 3.21". */
  readonly detail?: string;
  /** What `done` and `total` count. */
  readonly unit: "bytes" | "tokens" | "tensors" | "windows" | "steps" | "measurements" | "items";
}

export type OnProgress = (progress: Progress) => void;
