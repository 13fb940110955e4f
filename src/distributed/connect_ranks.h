// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "distributed/transport.h"

namespace lazyllm::distributed {

/// The transport between the processes that mpirun started; null if it started this one alone, or
/// did not start it. mpi_transport.cpp, or without MPI connect_without_mpi.cpp.
/// Errors: Error(unsupported) without MPI.
std::unique_ptr<Transport> connect_ranks();

}  // namespace lazyllm::distributed
