// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lazyllm::cli {

/// From here on SIGHUP, SIGINT and SIGTERM wait for wait_for_signal(). Once in a program.
/// Errors: Error(io) when too many files are open.
void catch_signals();

/// The next signal's number. One thread at a time.
int wait_for_signal();

}  // namespace lazyllm::cli
