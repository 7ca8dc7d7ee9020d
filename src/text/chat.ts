/**
 * Chat templates: the Jinja text that a model's makers ship, which turns messages into the one text that the model was trained on.
 * The engine is `@huggingface/jinja`, with the whitespace rules of transformers (`trim_blocks`, `lstrip_blocks`). Its `Template` class
 * is not used: the globals that it sets cannot be replaced, and its `strftime_now` names months in the language of the machine,
 * where Llama 3's template means English. Tools and documents are not passed.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
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
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    raise_exception: refuse,
    strftime_now: (format: unknown) => strftime(variables.now ?? new Date(), String(format)),
    messages,
    add_generation_prompt: options.generationPrompt ?? true,
    bos_token: variables.bosToken,
    eos_token: variables.eosToken,
  };
  try {
    const environment = new Environment();
    for (const [name, value] of Object.entries(globals)) environment.set(name, value);
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    return String(new Interpreter(environment).run(program).value);
  } catch (error) {
    if (RefrainError.is(error)) throw error;
    throw inputError(
      "chat-template",
      `the model's chat template cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      "Give the prompt without a template, or correct chat_template in tokenizer_config.json.",
    );
  }
}

function refuse(reason: unknown): never {
  throw inputError(
    "chat-template",
    `the chat template refuses these messages: ${String(reason)}`,
    "Roles are usually an optional system message first, then user and assistant in turn.",
  );
}

/** Python's, with a bound: no conversation is longer. */
function range(...bounds: readonly number[]): number[] {
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]!] : [bounds[0]!, bounds[1]!, bounds[2]];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= 1e6)) throw new Error(`range(${bounds.join(", ")}) is too long`);
  return Array.from({ length: count }, (_, i) => start + i * step);
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
