// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/normalizer.h"
#include "text/vocabulary.h"

namespace lazyllm::text {

/// What the "normalizer" and "pre_tokenizer" entries of a tokenizer.json come to.
struct HuggingFaceSplitting {
  std::string pre;                   ///< for PreTokenizer::by_name
  std::vector<OwnSplit> own_splits;  ///< as in Vocabulary
  bool byte_level = false;
  bool marks_spaces = false;  ///< spaces become U+2581
  bool add_space_prefix = false;
  bool prefix_at_start_only = false;       ///< Metaspace's prepend_scheme "first"
  bool prefix_unless_space = false;        ///< Metaspace; the normalizer Prepend does not look
  bool byte_level_prefix = false;          ///< ByteLevel's add_prefix_space
  std::vector<NormalizerStep> normalizer;  ///< but for what marks spaces
};

/// `normalizer` and `pre_tokenizer` may be null. Errors: Error(unsupported) naming
/// the element, beginning with `where`; exceptions of nlohmann::json for wrong types.
HuggingFaceSplitting recognise_splitting(const nlohmann::json& normalizer,
                                         const nlohmann::json& pre_tokenizer,
                                         const std::string& where);

}  // namespace lazyllm::text
