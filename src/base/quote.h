// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm {

/// A name from a file, fit for an error message: quoted, unprintable bytes as
/// \xNN (a hostile file must not write to the user's terminal), long ones shortened.
std::string quote(std::string_view name);

}  // namespace lazyllm
