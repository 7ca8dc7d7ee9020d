/**
 * Lets everything that waits in the event loop run: signals, timers, sockets. A play is synchronous, so whoever plays
 * often must call this, or Ctrl-C would wait for the last token. A few microseconds in Node; a page has only timers.
 */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
