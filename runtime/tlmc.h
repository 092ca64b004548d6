// tlmc.h: the public interface of the runtime; the only header a program includes.
//
//   tlmc_plan *plan;            the mapped plan file: read-only, shared, thread-safe
//   tlmc_session *session;      a device, its KV memory and a scheduler: one thread at a time
//   tlmc_request *request;      a prompt that becomes tokens and text
//
//   tlmc_request_options ask = {.size = sizeof ask, .text = "Hello", .text_bytes = 5};
//   tlmc_request_submit(session, &ask, &request, &error);
//   tlmc_event event = {.size = sizeof event};
//   while (event.kind != TLMC_EVENT_FINISHED) {
//     if (tlmc_session_step(session, NULL, &error) != TLMC_OK) break;
//     do {
//       tlmc_request_poll(request, &event);
//       fwrite(event.text, 1, event.text_bytes, stdout);
//     } while (event.kind == TLMC_EVENT_TOKEN);
//   }
//
// Rules that hold everywhere:
//   - A function that can fail returns a tlmc_status and takes a tlmc_error last; it may be NULL.
//     On failure nothing changes unless the function says otherwise, and `out_` values are set to
//     NULL or 0.
//   - Option and event structs start with `size`, which the caller sets to sizeof; a shorter struct
//     of an older program is read up to its size, the rest counts as zero. Zero is the default of
//     every option, so `{.size = sizeof options}` is complete. A size below that of version 0.1, or
//     a longer struct with something set in the part this version does not know, is TLMC_USAGE.
//   - Fields marked `reserved` must be zero in this version; TLMC_UNSUPPORTED otherwise.
//   - Text is UTF-8 with an explicit length in bytes; paths and names are NUL-terminated.
//   - Every byte a session needs is taken when it is opened; no later call runs out of memory,
//     except by a limit that the session was opened with.
//   - The library prints nothing, never exits, keeps no global state and installs no signal
//     handler. A plan file truncated by others while it is mapped raises SIGBUS; open it with
//     `copy` where that can happen.
//   - A plan holds machine code: trust it like a shared library.
#ifndef TLMC_H
#define TLMC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TLMC_API __attribute__((visibility("default")))
#else
#define TLMC_API
#endif

#define TLMC_VERSION "0.1.0"

typedef struct tlmc_pool tlmc_pool;
typedef struct tlmc_plan tlmc_plan;
typedef struct tlmc_session tlmc_session;
typedef struct tlmc_request tlmc_request;

// ---------------------------------------------------------------------------------------------
// Errors

typedef enum tlmc_status {
  TLMC_OK = 0,
  TLMC_USAGE = 1,       // an argument is wrong; the files are fine
  TLMC_INPUT = 2,       // a file or text that was given is malformed
  TLMC_UNSUPPORTED = 3, // well formed, but this version, plan or machine cannot do it
  TLMC_IO = 4,          // the operating system refused to open, read or map
  TLMC_MEMORY = 5,      // a reservation failed, or a limit of the session was hit
  TLMC_DEVICE = 6,      // an accelerator or its driver failed
  TLMC_CANCELLED = 7,   // the caller asked to stop
  TLMC_INTERNAL = 8     // a bug of tlmc
} tlmc_status;

// What went wrong, in one or a few sentences, for people. Owned by the caller, filled on failure
// only; never allocated.
typedef struct tlmc_error {
  tlmc_status status;
  char text[1020]; // NUL-terminated, cut if longer
} tlmc_error;

// A static word for `status`, such as "out of memory"; never NULL. Any thread.
TLMC_API const char *tlmc_status_text(tlmc_status status);

// Version of the library that is running; compare with TLMC_VERSION. Static. Any thread.
TLMC_API const char *tlmc_version(void);

// ---------------------------------------------------------------------------------------------
// Threads

typedef struct tlmc_pool_options {
  size_t size;
  int32_t threads; // with the caller's; 0 = what affinity mask and cgroup quota allow, at most 256
  int32_t pin;     // 1 = each worker stays on one processor of the affinity mask
} tlmc_pool_options;

// Starts worker threads that any number of sessions may share; steps of different sessions then
// take turns. TLMC_USAGE if `threads` is outside 0..256, TLMC_IO if a thread cannot be started.
// Release with tlmc_pool_close. Any thread.
TLMC_API tlmc_status tlmc_pool_open(const tlmc_pool_options *options, tlmc_pool **out_pool,
                                    tlmc_error *error);

// Ends the workers. All sessions that use the pool must be closed. Accepts NULL.
TLMC_API void tlmc_pool_close(tlmc_pool *pool);

// ---------------------------------------------------------------------------------------------
// Plans

typedef struct tlmc_plan_options {
  size_t size;
  int32_t trust;   // 1 = weights are not verified; everything else always is
  int32_t copy;    // 1 = weights are read into own memory, the file may change afterwards
  tlmc_pool *pool; // verifies with these threads; NULL = with the caller's alone. Not kept
} tlmc_plan_options;

// Opens, maps and verifies the plan file `path`. TLMC_INPUT names what is damaged, TLMC_UNSUPPORTED
// says which tlmc to rebuild with. `options` may be NULL. Release with tlmc_plan_close.
TLMC_API tlmc_status tlmc_plan_open(const char *path, const tlmc_plan_options *options,
                                    tlmc_plan **out_plan, tlmc_error *error);

// Unmaps. All sessions of the plan must be closed. Accepts NULL.
TLMC_API void tlmc_plan_close(tlmc_plan *plan);

// What a row of outputs is.
typedef enum tlmc_task {
  TLMC_TASK_GENERATE = 0,     // logits of the next token, one row for each row asked for
  TLMC_TASK_SCORE_TOKENS = 1, // scores of the labels for every row
  TLMC_TASK_SCORE_FIRST = 2,  // scores of the labels of a sequence, read from its first row
  TLMC_TASK_SCORE_LAST = 3    // the same, read from its last row
} tlmc_task;

typedef struct tlmc_plan_facts {
  size_t size;             // set by the caller
  const char *name;        // of the model; this and the other texts live as long as the plan
  const char *targets;     // what it was compiled for, comma-separated
  const char *kv_types;    // that a session can choose from, comma-separated, the default first
  tlmc_task task;          //
  int32_t vocabulary;      // ids are 0 .. vocabulary - 1
  int32_t outputs;         // floats of a row of outputs: vocabulary, or number of labels
  int32_t context;         // positions the model was made for
  int32_t types;           // token types are 0 .. types - 1; 0 = the model has none
  int32_t whole;           // 1 = a sequence must come whole in one step (encoders)
  int32_t has_tokenizer;   // 0 = text functions return TLMC_UNSUPPORTED
  int32_t has_weights;     // 0 = a skeleton: runs with random weights, for measuring
  const int32_t *stop_ids; // ids that end a generation
  int32_t stop_ids_count;
  uint64_t weights_bytes;     // of the target that reads most; also those a skeleton would have
  int32_t has_chat_template;  // 0 = tlmc_chat_prompt returns TLMC_UNSUPPORTED
  const char *const *labels;  // names of the `outputs` of a model that scores; NULL = it has none
  int32_t labels_independent; // 1 = several can hold at once, each has a probability of its own
  int32_t kernels;            // compiled for the target with most of them
  const char *device;         // that a session takes if none is named: in a plan for CPUs and GPUs
                              // a GPU that is there and runs it, else the CPU
} tlmc_plan_facts;

// Facts a program needs. TLMC_USAGE on a wrong size only. Any thread.
TLMC_API tlmc_status tlmc_plan_info(const tlmc_plan *plan, tlmc_plan_facts *out_facts);

typedef enum tlmc_format { TLMC_FORMAT_JSON = 0, TLMC_FORMAT_TEXT = 1 } tlmc_format;

// Writes a description of the plan for people (TEXT: the programs, line by line) or scripts (JSON:
// the meta section and the memory table). Fills at most `capacity` bytes and sets `*out_bytes` to
// the whole length; if that is above `capacity`, the text is cut: call again with more. `text` may
// be NULL if `capacity` is 0. Any thread.
TLMC_API tlmc_status tlmc_plan_describe(const tlmc_plan *plan, tlmc_format format, char *text,
                                        size_t capacity, size_t *out_bytes, tlmc_error *error);

// ---------------------------------------------------------------------------------------------
// Text. All of these need a plan with a tokenizer (TLMC_UNSUPPORTED), keep nothing between calls
// and may be called by any thread. Output lengths work as in tlmc_plan_describe.

enum {
  TLMC_TEXT_PLAIN = 0,  // no ids are added, spellings of special tokens are plain text
  TLMC_TEXT_ADD = 1,    // add what the tokenizer puts around a text (such as a start id)
  TLMC_TEXT_SPECIAL = 2 // spellings of special tokens become their ids; and are written out
};

typedef struct tlmc_bytes {
  const char *data;
  size_t bytes;
} tlmc_bytes;

// Ids of `text`; broken UTF-8 is read as U+FFFD, one per broken sequence. `flags`: TLMC_TEXT_ADD,
// _SPECIAL.
TLMC_API tlmc_status tlmc_tokenize(const tlmc_plan *plan, tlmc_bytes text, uint32_t flags,
                                   int32_t *ids, size_t ids_capacity, size_t *out_count,
                                   tlmc_error *error);

// Tokens with their types, in the caller's memory.
typedef struct tlmc_tokens {
  size_t size;
  int32_t *ids, *types; // room for `capacity` each; `types` may be NULL
  size_t capacity;
  size_t count; // of all tokens, also of those that found no room
} tlmc_tokens;

// Ids of one text, or of two that a classifier takes as a pair, and the type of each: what the
// tokenizer puts around and between them with TLMC_TEXT_ADD, the texts alone without. Otherwise as
// tlmc_tokenize. TLMC_USAGE if `texts_count` is neither 1 nor 2.
TLMC_API tlmc_status tlmc_tokenize_pair(const tlmc_plan *plan, const tlmc_bytes *texts,
                                        size_t texts_count, uint32_t flags, tlmc_tokens *tokens,
                                        tlmc_error *error);

// Text of `ids`; an id outside the vocabulary is TLMC_USAGE. `flags`: TLMC_TEXT_SPECIAL.
TLMC_API tlmc_status tlmc_detokenize(const tlmc_plan *plan, const int32_t *ids, size_t ids_count,
                                     uint32_t flags, char *text, size_t text_capacity,
                                     size_t *out_bytes, tlmc_error *error);

// The prompt of a conversation by the plan's chat template; tokenize it with TLMC_TEXT_SPECIAL.
// `conversation` is JSON: {"messages": [{"role": .., "content": ..}, ..], "tools": [..],
// "add_generation_prompt": true}; other keys are handed to the template as they are. With tools the
// template `tool_use` is used if the plan has one, else `default`; "chat_template": NAME chooses
// another. Needs no tokenizer. TLMC_UNSUPPORTED if the plan has no template, or one that this
// version cannot use, TLMC_INPUT with what the template raised, TLMC_MEMORY if it took too many
// steps or too much memory.
TLMC_API tlmc_status tlmc_chat_prompt(const tlmc_plan *plan, tlmc_bytes conversation, char *text,
                                      size_t text_capacity, size_t *out_bytes, tlmc_error *error);

// ---------------------------------------------------------------------------------------------
// Sessions. A session and everything made from it is used by one thread at a time; sessions are
// independent of each other.

typedef struct tlmc_session_options {
  size_t size;
  const char *device;      // "cpu", "cuda", "cuda:1", ..; NULL = that of `target` or of the plan
  const char *target;      // of the plan's targets; NULL = the best one this machine runs
  const char *kv_type;     // "f32", "bf16", ..; NULL or "auto" = the plan's default
  uint64_t kv_bytes;       // KV memory; 0 = what `context` needs
  int64_t context;         // tokens the KV memory holds, all sequences together;
                           // 0 = batch x the smaller of 4096 and the model's context
  int32_t batch;           // sequences of a step, and running at a time; 0 = 1
  int32_t chunk;           // rows of a step; 0 = 512. A longer prompt takes several steps
  int32_t outputs;         // output rows of a step; 0 = the larger of batch and 8
  int32_t sequences;       // that exist at a time; 0 = 2 x batch
  int32_t requests;        // submitted and not released; 0 = 4 x batch
  int32_t rollback;        // tokens a sequence can be truncated by in windowed layers; 0 = 64
  int32_t threads;         // as in tlmc_pool_options; only if `pool` is NULL
  tlmc_pool *pool;         // kept; must outlive the session; NULL = an own one
  int32_t prefault;        // 1 = commit all memory now instead of on first use
  int32_t deterministic;   // 1 = a row's outputs do not depend on the batch, on any device;
                           // always true on the CPU
  int32_t no_prefix_reuse; // 1 = finished prompts are not kept for later requests
  uint64_t random_seed;    // of a skeleton's weights, which are made at the first step
} tlmc_session_options;

// Takes all memory and starts the device. TLMC_MEMORY says how much was needed and for what,
// TLMC_UNSUPPORTED which targets the plan has. `options` may be NULL. Release with
// tlmc_session_close, before the plan.
TLMC_API tlmc_status tlmc_session_open(const tlmc_plan *plan, const tlmc_session_options *options,
                                       tlmc_session **out_session, tlmc_error *error);

// Gives everything back; ends requests and sequences that are left, their handles die. Accepts
// NULL.
TLMC_API void tlmc_session_close(tlmc_session *session);

typedef struct tlmc_session_facts {
  size_t size;          // set by the caller
  const char *device;   // texts live as long as the session
  const char *target;   //
  const char *kv_type;  //
  int32_t threads;      //
  int32_t batch;        // these five: what the options came to
  int32_t chunk;        //
  int32_t outputs;      //
  int32_t sequences;    //
  int32_t requests;     //
  int64_t context;      // tokens that fit into the KV memory
  int64_t tokens_free;  // tokens' worth of pages that nobody uses, reusable prompts included
  uint64_t token_bytes; // KV memory of a token while all layers hold it
  uint64_t kv_bytes;    // of `context` tokens, of which windows hold their span for each of `batch`
  uint64_t memory_bytes;  // held by the device and the session, without weights
  int32_t waiting;        // requests not yet running
  int32_t running;        //
  uint64_t preempted;     // times a request gave its pages away and was recomputed, since open
  const char *library;    // that makes matmuls of large steps, with its version; NULL = none
  const char *note;       // what the user should know of the device; NULL = nothing
  int32_t tuned;          // 1 = it runs what tlmc_session_tune found to be the fastest
  uint64_t weights_bytes; // that the target reads, also those that a skeleton would have
} tlmc_session_facts;

// What the session came to and how full it is. TLMC_USAGE on a wrong size only.
TLMC_API tlmc_status tlmc_session_info(const tlmc_session *session, tlmc_session_facts *out_facts);

// What was measured of matmuls that are alike, in steps of `rows` rows.
typedef struct tlmc_tuned {
  size_t size;         // set by the library
  const char *name;    // of the first of them; texts are good for the call
  int32_t matmuls;     // of them in the model
  int32_t rows;        //
  const char *usual;   // how the plan computes them: a kernel, and for which rows it is made
  const char *fastest; // how it will compute them; the same unless something is clearly faster
  double usual_us;     // microseconds, all of them together
  double fastest_us;   //
} tlmc_tuned;

// Measures the ways there are to compute each matmul on the session's GPU, for up to `chunk` rows,
// and writes what is the fastest to a file beside the plan, its name with `.tune` behind it.
// Sessions that are opened from then on go by it, `deterministic` ones excepted; this one does not.
// Nothing needs it, results are the same up to rounding, and a file that is damaged, or for another
// plan or GPU, is ignored, which the session's `note` says. Takes seconds to minutes, memory, and
// up to `batch` sequences. `report` (may be NULL) gets every result and ends the work by giving 0.
// TLMC_UNSUPPORTED if the session is deterministic or on no GPU, TLMC_IO if the file cannot be
// written, TLMC_CANCELLED if `report` ended it: then the file is as it was.
TLMC_API tlmc_status tlmc_session_tune(tlmc_session *session,
                                       int32_t (*report)(void *user, const tlmc_tuned *tuned),
                                       void *user, tlmc_error *error);

// ---------------------------------------------------------------------------------------------
// Sequences and steps: the lower level, for programs that schedule or sample themselves. A sequence
// is a small number that names ids already in the KV memory; its next row has position `length`.
// Requests live beside sequences and take pages from the same memory; the sequences they run in
// count to `sequences` and are unknown to the caller.

// A new sequence of length 0. TLMC_MEMORY if `sequences` exist already.
TLMC_API tlmc_status tlmc_sequence_open(tlmc_session *session, int32_t *out_sequence,
                                        tlmc_error *error);

// A new sequence with the same content as `sequence`. Shares its pages; what is written later to
// either is not seen by the other. Errors as for open, and TLMC_USAGE for an unknown sequence or
// one with rows in the step that is being put together; the latter holds for the next two also.
TLMC_API tlmc_status tlmc_sequence_fork(tlmc_session *session, int32_t sequence,
                                        int32_t *out_sequence, tlmc_error *error);

// Forgets all positions from `length` on. TLMC_USAGE if `length` is negative, above the current
// length, or needs positions that windowed layers have dropped: 0 and everything within `rollback`
// of the greatest length so far are always possible.
TLMC_API tlmc_status tlmc_sequence_truncate(tlmc_session *session, int32_t sequence, int64_t length,
                                            tlmc_error *error);

// Ends the sequence; its number may be given out again. TLMC_USAGE for an unknown sequence.
TLMC_API tlmc_status tlmc_sequence_release(tlmc_session *session, int32_t sequence,
                                           tlmc_error *error);

// Positions it holds; -1 for an unknown sequence.
TLMC_API int64_t tlmc_sequence_length(const tlmc_session *session, int32_t sequence);

// Reserved: returns TLMC_UNSUPPORTED in this version. Will write the sequence's pages as bytes that
// tlmc_sequence_import of a session with the same plan and KV type reads back.
TLMC_API tlmc_status tlmc_sequence_export(tlmc_session *session, int32_t sequence, void *bytes,
                                          size_t capacity, size_t *out_bytes, tlmc_error *error);
TLMC_API tlmc_status tlmc_sequence_import(tlmc_session *session, const void *bytes, size_t count,
                                          int32_t *out_sequence, tlmc_error *error);

typedef enum tlmc_wanted {
  TLMC_WANTED_NONE = 0, // no outputs
  TLMC_WANTED_LAST = 1, // of the last row
  TLMC_WANTED_ALL = 2,  // of every row
  TLMC_WANTED_LIST = 3  // of the rows in `wanted_rows`
} tlmc_wanted;

// What one sequence adds to a step. Score tasks choose their output rows themselves: `wanted` must
// then be ALL for SCORE_TOKENS, and LAST for the others (one output for the sequence).
typedef struct tlmc_rows {
  size_t size;
  int32_t sequence;
  int32_t count;              // rows, at least 1
  const int32_t *ids;         // count ids
  const int32_t *types;       // count token types; NULL = all 0
  tlmc_wanted wanted;         //
  int32_t wanted_count;       // of LIST
  const int32_t *wanted_rows; // of LIST: ascending, 0 .. count - 1
  const float *embeddings;    // reserved: rows given as vectors instead of ids
  const int32_t *positions;   // reserved: positions that are not one number per row
  const int32_t *parents;     // reserved: row i attends to the chain of parents[i] (tree drafts)
  int32_t adapter;            // reserved: low-rank adapter of the sequence
  int32_t prompt;             // length of the prompt that a sequence's first rows begin; 0 = count.
                              // Some models turn positions by it ("dynamic" rope scaling)
} tlmc_rows;

// Starts to put a step together, forgetting rows that were added and not run.
TLMC_API void tlmc_step_begin(tlmc_session *session);

// Adds rows; arrays are copied. A sequence may come once in a step. `*out_first` (may be NULL) is
// the number of its first output in tlmc_step_output, the others follow. TLMC_MEMORY if the step or
// the KV memory is full: run the step, or release something; the step is as before the call.
TLMC_API tlmc_status tlmc_step_add(tlmc_session *session, const tlmc_rows *rows, int32_t *out_first,
                                   tlmc_error *error);

// Runs the step; sequences grow by their rows. A step without rows does nothing. After TLMC_DEVICE
// the session can only be closed.
TLMC_API tlmc_status tlmc_step_run(tlmc_session *session, tlmc_error *error);

// Output number `index` of the last step: `outputs` floats (see tlmc_plan_facts), valid until the
// next step begins; NULL if there is no such output.
TLMC_API const float *tlmc_step_output(const tlmc_session *session, int32_t index);

// ---------------------------------------------------------------------------------------------
// Requests: the higher level. Needs a plan whose task is GENERATE.

typedef struct tlmc_bias {
  int32_t id;
  float bias; // added to the logit; -INFINITY forbids the id
} tlmc_bias;

// How the next token is chosen. All zero is greedy: the largest logit, the lowest id on ties.
// Order: bias, penalties, temperature, top_k, top_p, min_p, draw. The draw depends on nothing but
// the logits, the options, `seed` and the token's position.
typedef struct tlmc_sampling {
  size_t size;
  float temperature;        // 0 = greedy
  int32_t top_k;            // keep the k likeliest; 0 = all
  float top_p;              // keep the likeliest whose sum reaches p; 0 or 1 = all
  float min_p;              // keep ids at least p times as likely as the likeliest; 0 = all
  float repetition_penalty; // divides positive and multiplies negative logits; 0 or 1 = off
  float presence_penalty;   // subtracted once from ids that occurred in the output
  float frequency_penalty;  // subtracted for each time an id occurred in the output
  int32_t penalty_window;   // newest tokens the penalties look at; 0 = all. The repetition
                            // penalty counts the prompt too, the others do not
  uint64_t seed;            //
  const tlmc_bias *biases;  // copied; those of one id add up
  int32_t biases_count;     // at most 1024
  int32_t logprobs;         // report the token's log-probability and those of this many likeliest
                            // ids, at most 20; 0 = none; -1 = of the token alone. They are of
                            // the model's own logits, before bias, penalties and temperature
} tlmc_sampling;

typedef struct tlmc_request_options {
  size_t size;
  const char *text;   // the prompt, tokenized with TLMC_TEXT_ADD; or
  size_t text_bytes;  //
  const int32_t *ids; // the prompt as ids (then `text` must be NULL)
  int32_t ids_count;  // at least 1
  int32_t special;    // 1 = special tokens' spellings in `text` count, as _TEXT_SPECIAL, and
                      // nothing is added: for prompts made by tlmc_chat_prompt
  int32_t tokens_max; // to generate; 0 = until the context is full
  const tlmc_sampling *sampling; // copied; NULL = greedy
  const tlmc_bytes *stops;       // texts that end the generation; not part of the output
  int32_t stops_count;           // at most 16, of 1..256 bytes each
  const int32_t *stop_ids;       // ids that end it, besides the plan's; not part of the text
  int32_t stop_ids_count;        // at most 64
  int32_t ignore_stop_ids;       // 1 = neither these nor the plan's end it
  uint64_t salt;                 // prompts are reused between requests with the same salt only
  void *user;                    // for the caller; see tlmc_event
  int32_t adapter;               // reserved
  int32_t keep;                  // 1 = its tokens stay in the KV memory once it has finished, until
                                 // it is released or another goes on from it
  tlmc_request *after;           // a finished request with `keep` and the same salt: what its ids
                                 // share with the prompt, from the first on, is taken over from it
} tlmc_request_options;

// Copies everything and puts the request at the end of the queue; it advances in
// tlmc_session_step. TLMC_USAGE names the option that is out of range, TLMC_MEMORY means that
// `requests` exist already or that the prompt can never fit. Release with tlmc_request_release.
TLMC_API tlmc_status tlmc_request_submit(tlmc_session *session, const tlmc_request_options *options,
                                         tlmc_request **out_request, tlmc_error *error);

// Chooses which requests run, runs one step and samples. Every running request gets at most one new
// event; one with an unread event waits until it is polled. `*out_unfinished` (may be NULL) is the
// number of requests that have not finished; 0 means there is nothing to do. A fault of one request
// ends that request, not the step; after TLMC_DEVICE the session can only be closed. Rows that were
// added with tlmc_step_add and not run are forgotten. While the caller's own sequences take all
// there are, requests wait; one that runs alone and finds the KV memory taken ends with
// TLMC_MEMORY.
TLMC_API tlmc_status tlmc_session_step(tlmc_session *session, int32_t *out_unfinished,
                                       tlmc_error *error);

typedef enum tlmc_event_kind {
  TLMC_EVENT_NONE = 0,    // nothing new
  TLMC_EVENT_TOKEN = 1,   // a token, and text that has become certain
  TLMC_EVENT_FINISHED = 2 // the rest of the text; given on every later poll without the text
} tlmc_event_kind;

typedef enum tlmc_finish {
  TLMC_FINISH_NONE = 0,
  TLMC_FINISH_STOP_ID = 1,   // a stop id; it was the last TOKEN event
  TLMC_FINISH_STOP_TEXT = 2, // one of `stops` occurred
  TLMC_FINISH_LENGTH = 3,    // tokens_max, or the context is full
  TLMC_FINISH_CANCELLED = 4, // tlmc_request_cancel
  TLMC_FINISH_FAULT = 5      // see `status`: such as logits that are not numbers
} tlmc_finish;

typedef struct tlmc_logprob {
  int32_t id;
  float logprob; // natural logarithm of the probability
} tlmc_logprob;

typedef struct tlmc_event {
  size_t size; // set by the caller
  tlmc_event_kind kind;
  int32_t id;              // of TOKEN
  const char *text;        // may be empty: bytes of half a character and of a possible stop text
  size_t text_bytes;       // are held back. Valid until the next poll of this request. UTF-8, with
                           // U+FFFD for bytes of tokens that never become a character
  float logprob;           // of TOKEN, if logprobs were asked for; else 0
  int32_t top_count;       // of `top`
  const tlmc_logprob *top; // likeliest first; valid as long as `text`
  tlmc_finish finish;      // of FINISHED
  int32_t stop_index;      // of FINISH_STOP_TEXT: which of `stops`; else -1
  tlmc_status status;      // of FINISH_FAULT; else TLMC_OK
  int32_t prompt_count;    // ids of the prompt
  int32_t reused_count;    // of them, found in the KV memory instead of computed
  int32_t tokens_count;    // generated so far
  void *user;              // of the request's options
} tlmc_event;

// Takes the next event of the request. TLMC_USAGE on a wrong size only.
TLMC_API tlmc_status tlmc_request_poll(tlmc_request *request, tlmc_event *out_event);

// Asks the request to finish; it does so in the next tlmc_session_step. The one function that any
// thread and any signal handler may call while the session is in use, as long as the request is not
// released.
TLMC_API void tlmc_request_cancel(tlmc_request *request);

// Ends the request if it is not finished and forgets it; the handle dies. Accepts NULL.
TLMC_API void tlmc_request_release(tlmc_request *request);

#ifdef __cplusplus
}
#endif

#endif
