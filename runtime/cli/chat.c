// `tlmrt chat`: a conversation at a terminal, or line by line from a pipe.
//
//   tlmrt chat x.plan --system "Be brief."
//   > Hello                          a question; the answer is streamed to stdout
//   > /retry                         a command: see `commands`
//
// Every question is the whole conversation as the plan's template writes it. It goes on from the
// request before: tokens that both share, from the first on, are in the KV memory already.
// Ctrl-C ends an answer, Ctrl-D the program.
#include <unistd.h>

#include "runtime/cli/commands.h"
#include "runtime/cli/conversation.h"
#include "runtime/cli/generation.h"
#include "runtime/cli/lines.h"
#include "runtime/cli/sampling.h"
#include "runtime/cli/signals.h"

#define SCRATCH_BYTES ((size_t)4 << 30)

typedef struct chat_state {
  tl_cli *cli;
  tl_conversation talk;
  tl_lines lines;
  tl_arena scratch;   // of one turn
  tlmc_request *last; // kept for the next one to go on from
  uint64_t retries;   // of the last question: each draws with another seed
  bool is_over;
} chat_state;

// ---- One turn

static void tell_end(const chat_state *chat, const tl_cli_generation *generation, size_t prompt) {
  const tlmc_event *end = &generation->end;
  bool is_full = end->finish == TLMC_FINISH_LENGTH &&
                 (int64_t)generation->ids_count != chat->cli->options.tokens;
  if (is_full) {
    fprintf(stderr, "[the context of %lld tokens is full: /clear or /undo, or more with --ctx]\n",
            (long long)chat->cli->session_facts.context);
  }
  if (end->finish == TLMC_FINISH_CANCELLED) fputs("[stopped]\n", stderr);
  if (!isatty(STDERR_FILENO)) return;
  fprintf(stderr, "[%zu tokens, %d of them computed before; %zu new ones]\n", prompt,
          end->reused_count, generation->ids_count);
}

// Answers the conversation; the answer becomes its last message.
static tl_status answer(chat_state *chat) {
  tl_cli *cli = chat->cli;
  const tl_cli_options *options = &cli->options;
  tl_prompt prompt;
  tlmc_bytes stops[TL_CLI_LIST_MAX];
  TL_TRY(tl_conversation_prompt(&chat->talk, &chat->scratch, &prompt));
  int64_t context = cli->session_facts.context;
  if (cli->facts.context > 0 && cli->facts.context < context) context = cli->facts.context;
  if ((int64_t)prompt.count >= context) {
    return tl_cli_fail(cli, TL_INPUT,
                       "the conversation has %zu tokens and the context %lld: /clear or /undo, or "
                       "open a larger one with --ctx",
                       prompt.count, (long long)context);
  }
  tlmc_sampling sampling = tl_cli_sampling(options);
  sampling.seed += chat->retries;
  for (int i = 0; i < options->stops.count; i++) {
    stops[i] = (tlmc_bytes){options->stops.items[i], strlen(options->stops.items[i])};
  }
  tl_cli_generation generation = {.ask = {.size = sizeof generation.ask,
                                          .ids = prompt.ids,
                                          .ids_count = (int32_t)prompt.count,
                                          .tokens_max = (int32_t)options->tokens,
                                          .sampling = &sampling,
                                          .stops = stops,
                                          .stops_count = options->stops.count,
                                          .keep = 1,
                                          .after = chat->last},
                                  .is_streamed = true};
  chat->last = NULL;
  TL_TRY(tl_cli_generation_run(cli, &generation));
  chat->last = generation.kept;
  TL_TRY(tl_cli_write(cli, TL_STR("\n")));
  if (!chat->lines.is_terminal) TL_TRY(tl_cli_check_interrupt(cli));
  (void)tl_cli_signals_take(); // it has ended the answer
  tell_end(chat, &generation, prompt.count);
  tl_str text = {generation.text_bytes ? generation.text : "", generation.text_bytes};
  return tl_conversation_add(&chat->talk, "assistant", text);
}

// A question that cannot be answered is taken back.
static tl_status ask(chat_state *chat, tl_str text) {
  size_t count = chat->talk.count;
  chat->retries = 0;
  tl_status status = tl_conversation_add(&chat->talk, "user", text);
  if (tl_ok(status)) status = answer(chat);
  if (!tl_ok(status)) chat->talk.count = count;
  return status;
}

// ---- Commands

static tl_status run_help(chat_state *chat, tl_str argument);

static tl_status run_exit(chat_state *chat, tl_str argument) {
  (void)argument;
  chat->is_over = true;
  return TL_OK;
}

static tl_status run_clear(chat_state *chat, tl_str argument) {
  tl_str system = tl_conversation_system(&chat->talk);
  (void)argument;
  chat->talk.count = system.length > 0;
  return TL_OK;
}

static tl_status run_undo(chat_state *chat, tl_str argument) {
  (void)argument;
  if (tl_conversation_undo(&chat->talk, "user")) return TL_OK;
  return tl_cli_fail(chat->cli, TL_USAGE, "there is no question to take back");
}

static tl_status run_retry(chat_state *chat, tl_str argument) {
  size_t count = chat->talk.count;
  (void)argument;
  if (count == 0 || tl_str_is(chat->talk.messages[count - 1].role, "system")) {
    return tl_cli_fail(chat->cli, TL_USAGE, "there is no question to answer again");
  }
  if (tl_str_is(chat->talk.messages[count - 1].role, "assistant")) chat->talk.count--;
  chat->retries++;
  tl_status status = answer(chat);
  if (!tl_ok(status)) chat->talk.count = count;
  return status;
}

static tl_status run_system(chat_state *chat, tl_str argument) {
  if (argument.length == 0) {
    tl_str system = tl_conversation_system(&chat->talk);
    fprintf(stderr, "%.*s\n", TL_STR_ARG(system.length ? system : TL_STR("(no system message)")));
    return TL_OK;
  }
  bool takes_away = tl_str_is(argument, "none");
  return tl_conversation_set_system(&chat->talk, takes_away ? TL_STR("") : argument);
}

// A NUL-terminated path; NULL, with a fault, if there is none.
static const char *path_of(chat_state *chat, tl_str argument) {
  if (argument.length == 0) {
    (void)tl_cli_fail(chat->cli, TL_USAGE, "the name of a file is missing");
    return NULL;
  }
  return tl_arena_copy(&chat->scratch, argument).data;
}

static tl_status run_save(chat_state *chat, tl_str argument) {
  const char *path = path_of(chat, argument);
  return path ? tl_conversation_save(&chat->talk, path) : TL_USAGE;
}

static tl_status run_load(chat_state *chat, tl_str argument) {
  const char *path = path_of(chat, argument);
  return path ? tl_conversation_load(&chat->talk, path) : TL_USAGE;
}

static tl_status run_history(chat_state *chat, tl_str argument) {
  (void)argument;
  for (size_t i = 0; i < chat->talk.count; i++) {
    const tl_message *message = &chat->talk.messages[i];
    fprintf(stderr, "%.*s: %.*s\n", TL_STR_ARG(message->role), TL_STR_ARG(message->content));
  }
  return TL_OK;
}

typedef struct chat_command {
  const char *names; // separated by spaces; all mean the same
  const char *argument, *help;
  tl_status (*run)(chat_state *chat, tl_str argument);
} chat_command;

static const chat_command commands[] = {
    {"/help /?", "", "prints this", run_help},
    {"/clear /reset /new", "", "forgets all but the system message", run_clear},
    {"/undo", "", "takes the last question and its answer back", run_undo},
    {"/retry /regenerate /regen", "", "answers the last question again", run_retry},
    {"/system", "[TEXT]", "shows or sets the system message; none takes it away", run_system},
    {"/history", "", "prints the conversation", run_history},
    {"/save", "FILE", "writes the conversation as JSON", run_save},
    {"/load", "FILE", "reads it again, or any list of messages", run_load},
    {"/exit /quit /bye /q", "", "ends, as Ctrl-D does", run_exit},
};

enum { COMMANDS_COUNT = sizeof commands / sizeof commands[0] };

static tl_status run_help(chat_state *chat, tl_str argument) {
  (void)argument, (void)chat;
  for (int i = 0; i < COMMANDS_COUNT; i++) {
    fprintf(stderr, "  %-26s %-7s %s\n", commands[i].names, commands[i].argument, commands[i].help);
  }
  fputs(
      "A line that ends with \\ goes on in the next one, and so does a text in \"\"\" .. \"\"\".\n"
      "Ctrl-C ends an answer; // at the start of a line is a / of the text.\n",
      stderr);
  return TL_OK;
}

static bool has_name(const char *names, tl_str name) {
  for (const char *at = names; *at;) {
    size_t length = strcspn(at, " ");
    if (name.length == length && memcmp(at, name.data, length) == 0) return true;
    at += length + (at[length] == ' ');
  }
  return false;
}

static tl_status run_command(chat_state *chat, tl_str line) {
  const char *space = memchr(line.data, ' ', line.length);
  size_t length = space ? (size_t)(space - line.data) : line.length;
  tl_str name = tl_str_slice(line, 0, length);
  tl_str argument = tl_str_trim(tl_str_slice(line, length, line.length));
  for (int i = 0; i < COMMANDS_COUNT; i++) {
    if (has_name(commands[i].names, name)) return commands[i].run(chat, argument);
  }
  return tl_cli_fail(chat->cli, TL_USAGE, "there is no command '%.*s': see /help",
                     TL_STR_ARG(name));
}

// ---- The program

// At a terminal a fault is said and the conversation goes on; elsewhere it ends the program.
static tl_status survive(chat_state *chat, tl_status status) {
  bool goes_on = chat->lines.is_terminal && status != TL_DEVICE && status != TL_IO;
  if (tl_ok(status) || !goes_on) return status;
  (void)tl_cli_signals_take();
  (void)tl_cli_report(chat->cli, status);
  chat->cli->diag.count = 0;
  chat->cli->error = (tlmc_error){0};
  return TL_OK;
}

static tl_status take_line(chat_state *chat, tl_str line) {
  if (tl_str_trim(line).length == 0) return TL_OK;
  if (tl_str_starts_with(line, TL_STR("//"))) return ask(chat, tl_str_slice(line, 1, line.length));
  return line.data[0] == '/' ? run_command(chat, tl_str_trim(line)) : ask(chat, line);
}

static tl_status talk(chat_state *chat) {
  const tl_cli_options *options = &chat->cli->options;
  if (options->system) {
    TL_TRY(tl_conversation_set_system(&chat->talk, tl_str_from(options->system)));
  }
  if (chat->lines.is_terminal) {
    fprintf(stderr, "%s: /help tells the commands, Ctrl-D ends\n", chat->cli->facts.name);
  }
  if (options->prompt) TL_TRY(survive(chat, ask(chat, tl_str_from(options->prompt))));
  while (!chat->is_over) {
    tl_str line;
    tl_arena_reset(&chat->scratch);
    TL_TRY(tl_lines_next(&chat->lines, &chat->scratch, &line, &chat->is_over));
    if (!chat->is_over) TL_TRY(survive(chat, take_line(chat, line)));
  }
  return TL_OK;
}

tl_status tl_cli_chat(tl_cli *cli) {
  tlmc_session_options session;
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(tl_cli_need_generator(cli, "chat"));
  TL_TRY(tl_conversation_check(cli));
  tl_cli_session_options(cli, &session);
  TL_TRY(tl_cli_session_open(cli, &session));
  chat_state *chat = tl_arena_alloc(&cli->arena, sizeof *chat);
  if (!chat) return tl_cli_full(cli);
  chat->cli = cli;
  chat->talk = (tl_conversation){.cli = cli, .variables = cli->options.template_variables};
  tl_arena_init(&chat->scratch, SCRATCH_BYTES);
  tl_lines_init(&chat->lines, cli);
  tl_status status = talk(chat);
  tl_arena_finish(&chat->scratch);
  return status;
}
