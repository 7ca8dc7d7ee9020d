/** Resolvers of those who wait, in order; one message for each. */
const waiting: (() => void)[] = [];
let channel: MessageChannel | undefined;

/**
 * Lets everything that waits in the event loop run: signals, timers, sockets. A play is synchronous, so whoever plays
 * often must call this, or Ctrl-C would wait for the last token. A few microseconds: `setImmediate` in Node, in a browser
 * a message to oneself, because timers there are held back to 4 ms, which is as long as a token takes.
 */
export function yieldToEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => waiting.shift()!();
    }
    waiting.push(resolve);
    channel.port2.postMessage(undefined);
  });
}
