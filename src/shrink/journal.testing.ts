/** Journals of a search that is killed, and of one that is watched. */
import type { Journal, Json } from "./method.ts";

/** Keeps to `journal` as a file would, and fails behind the write of this number, counted from 0. */
export function dyingJournal(journal: Journal, stop: number): Journal {
  let writes = 0;
  return {
    read: journal.read,
    async write(state) {
      await journal.write(JSON.parse(JSON.stringify(state)) as Json);
      if (writes++ === stop) throw new Error("killed");
    },
  };
}
