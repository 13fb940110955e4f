// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

/// Defines `FUNCTION()`, the entries of LIST(X) as a vector that may grow. Each NAME of the list
/// has a file of its own that defines `const TYPE& NAME_SUFFIX()`; DECLARE(NAME) declares it and
/// TAKE(NAME) is its address followed by a comma.
#define LAZYLLM_NAMED_LIST(TYPE, FUNCTION, LIST, DECLARE, TAKE) \
  LIST(DECLARE)                                                 \
  namespace {                                                   \
  std::vector<const TYPE*>& FUNCTION() {                        \
    static std::vector<const TYPE*> all = {LIST(TAKE)};         \
    return all;                                                 \
  }                                                             \
  }
