// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <new>

#include "c_api/boundary.h"
#include "c_api/handles.h"

using lazyllm::c_api::guarded;
using lazyllm::c_api::known_part;
using lazyllm::c_api::or_empty;
using lazyllm::c_api::require;

namespace lazyllm::c_api {

void* copy_bytes(const void* bytes, size_t count) {
  void* memory = std::malloc(std::max<size_t>(count, 1));
  if (memory == nullptr) throw std::bad_alloc();
  if (count > 0) std::memcpy(memory, bytes, count);
  return memory;
}

char* copy_text(const std::string& text) {
  return static_cast<char*>(copy_bytes(text.c_str(), text.size() + 1));
}

}  // namespace lazyllm::c_api

extern "C" {

lazyllm_status lazyllm_model_load(const char* path, const lazyllm_model_options* options,
                                  lazyllm_model** model) {
  return guarded([&] {
    require(path, "path");
    require(model, "model");
    *model = nullptr;
    const lazyllm_model_options given = known_part(options);
    lazyllm::ModelOptions wanted;
    wanted.threads = given.threads;
    wanted.isa = or_empty(given.isa);
    wanted.chat_template = or_empty(given.chat_template);
    *model = new lazyllm_model{lazyllm::Model::load(path, wanted)};
  });
}

void lazyllm_model_free(lazyllm_model* model) {
  delete model;
}

int64_t lazyllm_model_context_length(const lazyllm_model* model) {
  return model == nullptr ? 0 : model->model->info().context_length;
}

int64_t lazyllm_model_vocabulary_size(const lazyllm_model* model) {
  return model == nullptr ? 0 : model->model->info().vocabulary_size;
}

lazyllm_status lazyllm_model_tokenize(const lazyllm_model* model, const char* text,
                                      bool add_special, bool parse_special, int32_t** tokens,
                                      size_t* count) {
  return guarded([&] {
    require(model, "model");
    require(text, "text");
    require(tokens, "tokens");
    require(count, "count");
    *tokens = nullptr;
    *count = 0;
    const std::vector<lazyllm::TokenId> found =
        model->model->tokenize(text, add_special, parse_special);
    *tokens = static_cast<int32_t*>(
        lazyllm::c_api::copy_bytes(found.data(), found.size() * sizeof(int32_t)));
    *count = found.size();
  });
}

lazyllm_status lazyllm_model_detokenize(const lazyllm_model* model, const int32_t* tokens,
                                        size_t count, bool special, char** text) {
  return guarded([&] {
    require(model, "model");
    require(text, "text");
    if (count > 0) require(tokens, "tokens");
    *text = nullptr;
    *text = lazyllm::c_api::copy_text(model->model->detokenize({tokens, count}, special));
  });
}

}  // extern "C"
