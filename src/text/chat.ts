/**
 * Chat templates: the Jinja text that a model's makers ship, which turns messages into the one text that the model was trained on.
 * The engine is `@huggingface/jinja`; what a template may call beside it (`raise_exception`, `strftime_now`) is what transformers
 * gives to `apply_chat_template`. Tools and documents are not passed.
 */
import { Template } from "@huggingface/jinja";
import { inputError, RefrainError } from "../errors.ts";

export interface ChatMessage {
  /** "system", "user" or "assistant"; some templates know more. */
  readonly role: string;
  readonly content: string;
}

export interface ChatOptions {
  /** End with the opening of the assistant's turn. Default true. */
  readonly generationPrompt?: boolean;
}

export interface ChatVariables {
  /** Empty where the model has none. */
  readonly bosToken: string;
  readonly eosToken: string;
  /** For tests; the time now. */
  readonly now?: Date;
}

/** @throws input error `chat-template` where the template is broken or refuses the messages (e.g. roles that do not alternate). */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  variables: ChatVariables,
  options: ChatOptions = {},
): string {
  try {
    return new Template(template).render({
      messages,
      add_generation_prompt: options.generationPrompt ?? true,
      bos_token: variables.bosToken,
      eos_token: variables.eosToken,
      raise_exception: (message: unknown) => {
        throw inputError(
          "chat-template",
          `the chat template refuses these messages: ${String(message)}`,
          "Roles are usually an optional system message first, then user and assistant in turn.",
        );
      },
      strftime_now: (format: unknown) => strftime(variables.now ?? new Date(), String(format)),
    });
  } catch (error) {
    if (RefrainError.is(error)) throw error;
    throw inputError(
      "chat-template",
      `the model's chat template cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      "Give the prompt without a template, or correct chat_template in tokenizer_config.json.",
    );
  }
}

/** The directives of C's strftime that templates use, in English and local time; others stay as they are. */
function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const name = (options: Intl.DateTimeFormatOptions) => date.toLocaleDateString("en-US", options);
  const directives: Record<string, () => string> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    B: () => name({ month: "long" }),
    b: () => name({ month: "short" }),
    A: () => name({ weekday: "long" }),
    a: () => name({ weekday: "short" }),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 || 12),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    p: () => (date.getHours() < 12 ? "AM" : "PM"),
    "%": () => "%",
  };
  return format.replace(/%([A-Za-z%])/g, (text, directive: string) => directives[directive]?.() ?? text);
}
