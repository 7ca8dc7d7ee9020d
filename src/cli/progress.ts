/**
 * Progress of work that lasts: on a terminal a bar with rate and time left, elsewhere a line now and then. Work that is
 * done within two seconds shows nothing.
 */
import cliProgress from "cli-progress";
import type { OnProgress, Progress } from "../progress.ts";
import type { Stream } from "./output.ts";

/** Milliseconds that work lasts before it is shown. */
const PATIENCE = 2_000;
/** Milliseconds between two lines where there is no terminal. */
const BETWEEN_LINES = 15_000;

export interface ProgressDisplay {
  readonly onProgress: OnProgress;
  /** Takes a bar that is there off the screen, for something else to be written; the next report draws it again. */
  readonly clear: () => void;
  /** The end of all work. */
  readonly stop: () => void;
}

/** `now` gives milliseconds. */
export function progressDisplay(stderr: Stream, silent: boolean, now: () => number = Date.now): ProgressDisplay {
  if (silent) return { onProgress: () => {}, clear: () => {}, stop: () => {} };
  const drawn = stderr.isTTY ? bar(stderr) : lines(stderr, now);
  let label: string | undefined;
  let begin: { readonly time: number; readonly done: number };

  return {
    onProgress: (progress) => {
      const ended = progress.done >= progress.total;
      if (progress.label !== label) {
        drawn.stop();
        label = progress.label;
        begin = { time: now(), done: progress.done };
      }
      const elapsed = now() - begin.time;
      if (elapsed >= PATIENCE) drawn.show(progress, describe(progress, begin.done, elapsed), ended);
      if (ended) {
        drawn.stop();
        label = undefined;
      }
    },
    clear: drawn.clear,
    stop: drawn.stop,
  };
}

interface Drawn {
  show(progress: Progress, detail: string, ended: boolean): void;
  clear(): void;
  stop(): void;
}

function bar(stderr: Stream): Drawn {
  const drawn = new cliProgress.SingleBar(
    {
      format: "{label} {bar} {percentage} %  {detail}",
      barsize: 24,
      clearOnComplete: true,
      hideCursor: true,
      linewrap: null,
      stream: stderr as unknown as NodeJS.WritableStream,
    },
    cliProgress.Presets.shades_classic,
  );
  const clear = () => {
    if (drawn.isActive) drawn.stop();
  };
  return {
    show({ label, done, total }, detail) {
      if (drawn.isActive) drawn.update(done, { label, detail });
      else drawn.start(total, done, { label, detail });
    },
    clear,
    stop: clear,
  };
}

function lines(stderr: Stream, now: () => number): Drawn {
  let last = Number.NEGATIVE_INFINITY;
  return {
    show({ label, done, total }, detail, ended) {
      if (!ended && now() - last < BETWEEN_LINES) return;
      last = now();
      const percent = total > 0 ? Math.floor((100 * done) / total) : 100;
      stderr.write(`${label}: ${percent} %, ${detail}\n`);
    },
    clear() {},
    stop() {
      last = Number.NEGATIVE_INFINITY;
    },
  };
}

/** "120 of 270 MB, 60 MB/s, 3 s left"; `from` was done when the clock started, `elapsed` milliseconds ago. */
export function describe(progress: Progress, from: number, elapsed: number): string {
  const amount = amountInWords(progress, from, elapsed);
  return progress.detail === undefined ? amount : `${progress.detail}; ${amount}`;
}

function amountInWords({ done, total, unit }: Progress, from: number, elapsed: number): string {
  const rate = ((done - from) / elapsed) * 1000;
  const [scale, name] = unit === "bytes" ? [1e-6, "MB"] : [1, unit];
  const figure = (n: number) => (n * scale).toLocaleString("en-US", { maximumFractionDigits: n * scale < 10 ? 1 : 0 });
  const amount = `${figure(done)} of ${figure(total)} ${name}`;
  if (!(rate > 0)) return amount;
  // A tenth in a second would be rounded to nothing.
  const pace = rate * scale < 0.1 ? `${figure(60 * rate)} ${name}/min` : `${figure(rate)} ${name}/s`;
  return `${amount}, ${pace}, ${done < total ? `${duration((total - done) / rate)} left` : duration(elapsed / 1000)}`;
}

/** Seconds in words of two units at most: "3 s", "2 min 5 s", "1 h 20 min". */
export function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
