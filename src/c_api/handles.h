// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "lazyllm/c/lazyllm_c.h"
#include "lazyllm/model.h"
#include "lazyllm/session.h"

struct lazyllm_model {
  std::shared_ptr<const lazyllm::Model> model;
};

struct lazyllm_session {
  lazyllm_session(std::shared_ptr<const lazyllm::Model> shared,
                  const lazyllm::SessionOptions& options)
      : model(std::move(shared)), session(model, options) {}
  std::shared_ptr<const lazyllm::Model> model;
  lazyllm::Session session;
  lazyllm::FinishReason finish_reason = lazyllm::FinishReason::stop;
};

namespace lazyllm::c_api {

/// Memory that lazyllm_free() takes back. Errors: std::bad_alloc.
char* copy_text(const std::string& text);
void* copy_bytes(const void* bytes, size_t count);

}  // namespace lazyllm::c_api
