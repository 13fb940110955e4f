/* SPDX-License-Identifier: Apache-2.0 */
/* The C interface: what other languages bind to. The shared library is liblazyllm_c.so.0; with
 * pkg-config: lazyllm_c.
 *
 * Functions that can fail return a lazyllm_status; lazyllm_last_error() then has a sentence for
 * people. A struct of options or figures begins with its size, which the caller sets
 * (LAZYLLM_C_INIT does): a library that is newer than the caller fills in what the caller does not
 * know. Texts are UTF-8 and end in a zero byte. A model may be used from all threads, a session
 * from one at a time; lazyllm_session_cancel from any. */
#ifndef LAZYLLM_C_LAZYLLM_C_H
#define LAZYLLM_C_LAZYLLM_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAZYLLM_C_API_VERSION 1

/* lazyllm_session_options options = LAZYLLM_C_INIT(lazyllm_session_options); */
#ifdef __cplusplus
#define LAZYLLM_C_INIT(type) lazyllm_c_init<type>()
template <typename Type>
inline Type lazyllm_c_init() {
  Type made{};
  made.struct_size = sizeof(Type);
  return made;
}
extern "C" {
#else
#define LAZYLLM_C_INIT(type) \
  { .struct_size = sizeof(type) }
#endif

typedef struct lazyllm_model lazyllm_model;
typedef struct lazyllm_session lazyllm_session;

typedef enum lazyllm_status {
  LAZYLLM_OK = 0,
  LAZYLLM_USAGE = 1,         /* an argument or option that cannot be meant */
  LAZYLLM_INVALID_INPUT = 2, /* a prompt that cannot be answered as it is */
  LAZYLLM_INVALID_FILE = 3,  /* a damaged or contradictory file */
  LAZYLLM_UNSUPPORTED = 4,   /* a file or request of a kind that this version does not know */
  LAZYLLM_IO = 5,            /* the operating system refused */
  LAZYLLM_CONTEXT_FULL = 6,  /* the tokens do not fit into the context */
  LAZYLLM_CANCELLED = 7,
  LAZYLLM_OVERLOADED = 8,
  LAZYLLM_INTERNAL = 9 /* a bug in lazyllm */
} lazyllm_status;

typedef enum lazyllm_finish_reason {
  LAZYLLM_FINISH_STOP = 0,   /* the model ended its answer, or a stop string came */
  LAZYLLM_FINISH_LENGTH = 1, /* the limit of tokens or the end of the context */
  LAZYLLM_FINISH_CANCELLED = 2
} lazyllm_finish_reason;

typedef struct lazyllm_model_options {
  size_t struct_size;
  int32_t threads;           /* 0: one per core */
  const char* isa;           /* NULL: the best this processor has */
  const char* chat_template; /* Jinja source instead of the file's; NULL: the file's */
} lazyllm_model_options;

/* NULL and 0 mean: as the model's profile, then the preset says. */
typedef struct lazyllm_session_options {
  size_t struct_size;
  int64_t context;              /* most tokens held; 0: the model's context length */
  const char* policy;           /* dense, lazy, ...; NULL: lazy */
  const char* prune;            /* careful, balanced, fast, off, paper, or "19:0.1" */
  const char* profile;          /* a file, or "none"; NULL: the one measured for this model */
  const char* score;            /* how importance is measured */
  const int64_t* revive_budget; /* tokens that may come back for each written one; -1: all */
  const int64_t* protect_first; /* first tokens that always stay */
  const int64_t* protect_last;  /* last tokens that always stay */
  const int64_t* min_prompt;    /* in shorter prompts nothing is skipped */
} lazyllm_session_options;

/* Text of the answer as it becomes final: whole characters. Return false to stop the answer. */
typedef bool (*lazyllm_on_text)(const char* text, void* user);

typedef struct lazyllm_generation_options {
  size_t struct_size;
  int64_t max_tokens; /* 0: until the model ends its answer or the context is full */
  float temperature;  /* 0: always the most likely token */
  int32_t top_k;      /* 0: off */
  float top_p;        /* 0: off */
  float min_p;        /* 0: off */
  uint64_t seed;
  const char* const* stop; /* strings that end the answer */
  size_t stop_count;
  lazyllm_on_text on_text; /* may be NULL */
  void* user;              /* handed to on_text */
} lazyllm_generation_options;

typedef struct lazyllm_message {
  const char* role; /* "system", "user", "assistant" */
  const char* content;
} lazyllm_message;

/* What the last answer cost. Times in milliseconds. */
typedef struct lazyllm_statistics {
  size_t struct_size;
  int64_t prompt_tokens;
  int64_t generated_tokens;
  double ttft_ms;               /* prompt handed over -> first token */
  double total_ms;              /* prompt handed over -> last token */
  double computed_fraction;     /* share of the usual work, at the first token */
  double computed_fraction_end; /* and at the last one */
  int64_t revived_tokens;       /* tokens that were skipped and came back */
  int32_t finish_reason;        /* lazyllm_finish_reason */
} lazyllm_statistics;

/* "0.1.0" */
const char* lazyllm_version(void);
/* LAZYLLM_C_API_VERSION of the library; rises when something is added. */
int32_t lazyllm_c_api_version(void);
/* The last failure of this thread, as a sentence; valid until this thread's next call. */
const char* lazyllm_last_error(void);

/* `options` may be NULL in all of these. */
lazyllm_status lazyllm_model_load(const char* path, const lazyllm_model_options* options,
                                  lazyllm_model** model);
/* Sessions keep what they need: the order does not matter. NULL is allowed. */
void lazyllm_model_free(lazyllm_model* model);
int64_t lazyllm_model_context_length(const lazyllm_model* model);
int64_t lazyllm_model_vocabulary_size(const lazyllm_model* model);

/* `*tokens` belongs to the caller: lazyllm_free. */
lazyllm_status lazyllm_model_tokenize(const lazyllm_model* model, const char* text,
                                      bool add_special, bool parse_special, int32_t** tokens,
                                      size_t* count);
/* `*text` belongs to the caller: lazyllm_free. */
lazyllm_status lazyllm_model_detokenize(const lazyllm_model* model, const int32_t* tokens,
                                        size_t count, bool special, char** text);

lazyllm_status lazyllm_session_create(const lazyllm_model* model,
                                      const lazyllm_session_options* options,
                                      lazyllm_session** session);
void lazyllm_session_free(lazyllm_session* session);

/* Answers a conversation by the model's chat template. What a conversation shares with the one
 * before is not read again. `answer` may be NULL; otherwise `*answer` belongs to the caller:
 * lazyllm_free. */
lazyllm_status lazyllm_session_chat(lazyllm_session* session, const lazyllm_message* messages,
                                    size_t count, const lazyllm_generation_options* options,
                                    char** answer);
/* Goes on with a text as it is. */
lazyllm_status lazyllm_session_complete(lazyllm_session* session, const char* prompt,
                                        const lazyllm_generation_options* options, char** answer);
/* Ends a running answer soon. From any thread. */
void lazyllm_session_cancel(lazyllm_session* session);
/* Forgets everything. */
void lazyllm_session_reset(lazyllm_session* session);
/* `statistics->struct_size` says how much is filled in. */
lazyllm_status lazyllm_session_statistics(const lazyllm_session* session,
                                          lazyllm_statistics* statistics);

/* For what the functions above hand over. NULL is allowed. */
void lazyllm_free(void* memory);

#ifdef __cplusplus
}
#endif

#endif
