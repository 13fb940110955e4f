/* SPDX-License-Identifier: Apache-2.0 */
/* Answers a question about a document, in C.
 *   answer_c MODEL DOCUMENT QUESTION */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lazyllm/c/lazyllm_c.h"

static char* read_file(const char* path) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);
  char* text = size < 0 ? NULL : calloc((size_t)size + 1, 1);
  if (text != NULL && fread(text, 1, (size_t)size, file) != (size_t)size) {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

static bool print(const char* text, void* user) {
  (void)user;
  fputs(text, stdout);
  return fflush(stdout) == 0;
}

static int fail(const char* what) {
  fprintf(stderr, "answer: %s\n", what);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 4) return fail("write: answer_c MODEL DOCUMENT QUESTION") + 1;
  char* document = read_file(argv[2]);
  if (document == NULL) return fail("the document cannot be read");
  const size_t size = strlen(document) + strlen(argv[3]) + 3;
  char* prompt = malloc(size);
  if (prompt == NULL) return fail("out of memory");
  snprintf(prompt, size, "%s\n\n%s", document, argv[3]);

  lazyllm_model* model = NULL;
  lazyllm_session* session = NULL;
  lazyllm_generation_options options = LAZYLLM_C_INIT(lazyllm_generation_options);
  options.max_tokens = 64;
  options.on_text = print;
  const lazyllm_message message = {"user", prompt};
  if (lazyllm_model_load(argv[1], NULL, &model) != LAZYLLM_OK ||
      lazyllm_session_create(model, NULL, &session) != LAZYLLM_OK ||
      lazyllm_session_chat(session, &message, 1, &options, NULL) != LAZYLLM_OK) {
    return fail(lazyllm_last_error());
  }
  lazyllm_statistics figures = LAZYLLM_C_INIT(lazyllm_statistics);
  lazyllm_session_statistics(session, &figures);
  printf("\n%lld prompt tokens, first token after %.0f ms, %.1f %% of the work computed\n",
         (long long)figures.prompt_tokens, figures.ttft_ms, 100.0 * figures.computed_fraction);
  lazyllm_session_free(session);
  lazyllm_model_free(model);
  free(prompt);
  free(document);
  return 0;
}
