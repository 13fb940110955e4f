// SPDX-License-Identifier: Apache-2.0
#include "server/text_offsets.h"

namespace lazyllm::server {
namespace {

/// Bytes that follow this one within its character.
int following_bytes(unsigned char byte) {
  if (byte >= 0xF0) return 3;
  if (byte >= 0xE0) return 2;
  return byte >= 0xC0 ? 1 : 0;
}

}  // namespace

size_t TextOffsets::take(TokenId token) {
  const size_t offset = code_points_;
  const std::string piece = model_->piece(token);
  std::string_view shown = piece;
  if (first_ && !shown.empty()) {
    first_ = false;
    if (!begin_.empty() && shown[0] == ' ' && begin_[0] != ' ') shown.remove_prefix(1);
  }
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xC0) == 0x80;
    if (missing_bytes_ > 0 && continues) {
      if (--missing_bytes_ == 0) ++code_points_;
      continue;
    }
    // What is no UTF-8 is shown as one replacement character.
    if (std::exchange(missing_bytes_, 0) > 0) ++code_points_;
    missing_bytes_ = continues ? 0 : following_bytes(byte);
    if (missing_bytes_ == 0) ++code_points_;
  }
  return offset;
}

}  // namespace lazyllm::server
