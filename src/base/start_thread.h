// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>
#include <thread>

namespace lazyllm {

/// A thread that runs `body`, which must not throw.
/// Errors: Error(overloaded) when the system has no thread left, with `what_for` in its sentence:
/// "the thread that computes answers".
std::thread start_thread(std::string_view what_for, std::function<void()> body);

}  // namespace lazyllm
