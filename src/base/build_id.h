// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lazyllm {

/// Hexadecimal digits that stand for the machine code of the program or shared library that this
/// is a part of: what another build computed may differ in its bits. Empty where the linker wrote
/// none.
const std::string& build_id();

}  // namespace lazyllm
