/** `refrain chat`: not built yet; the frame around it is. */
import { failure } from "../errors.ts";
import { defineRefrainCommand } from "./define.ts";

export const command = defineRefrainCommand({
  options: {},
  run: async () => {
    throw failure("not-built", "refrain chat is not built yet");
  },
});
