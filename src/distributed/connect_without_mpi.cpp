// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/error.h"
#include "distributed/connect_ranks.h"

namespace lazyllm::distributed {

std::unique_ptr<Transport> connect_ranks() {
  const char* const size = std::getenv("OMPI_COMM_WORLD_SIZE");
  if (size == nullptr || std::atoi(size) < 2) return nullptr;
  fail(ErrorCode::unsupported,
       "mpirun started {} processes, but this build of lazyllm has no MPI: install libopenmpi-dev "
       "and openmpi-bin, build with cmake --preset mpi, and start build/mpi/lazyllm",
       size);
}

}  // namespace lazyllm::distributed
