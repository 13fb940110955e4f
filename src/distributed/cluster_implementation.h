// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "distributed/transport.h"
#include "lazyllm/cluster.h"

namespace lazyllm {

struct Cluster::Implementation {
  std::unique_ptr<distributed::Transport> transport;
};

}  // namespace lazyllm
