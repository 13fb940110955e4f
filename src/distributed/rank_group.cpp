// SPDX-License-Identifier: Apache-2.0
#include "distributed/rank_group.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/build_id.h"
#include "base/error.h"
#include "distributed/layer_split.h"
#include "formats/fingerprint.h"

namespace lazyllm::distributed {
namespace {

/// What rank 0 says first.
struct Greeting {
  std::string build, model, isa;
  int threads = 0;
  uint64_t sample = 0;  // formats::fingerprint_sample
  template <typename Archive>
  void fields(Archive& a) {
    a(build, model, isa, threads, sample);
  }
};

/// What a rank answers.
struct Presentation {
  bool failed = false;
  ErrorCode code = ErrorCode::internal;
  std::string text, host;
  uint64_t available = 0;
  template <typename Archive>
  void fields(Archive& a) {
    a(failed, code, text, host, available);
  }
};

template <typename T>
Message written(T value) {
  Message message;
  Writer writer(message);
  value.fields(writer);
  return message;
}
template <typename T>
T read(const Message& message) {
  const AddressMap nothing;
  Reader reader(message, nothing);
  T value;
  value.fields(reader);
  return value;
}

std::string host_name() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown host";
}

/// Bytes that programs can still have; without the file all there is.
uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    uint64_t kibibytes = 0;
    if (word == "MemAvailable:" && file >> kibibytes) return kibibytes << 10;
  }
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

struct Opened {
  std::shared_ptr<const formats::ModelFile> file;
  std::unique_ptr<kernels::Backend> backend;
};

Opened open_as(const Greeting& greeting) {
  if (greeting.build != build_id()) {
    fail(ErrorCode::usage,
         "this is another build of lazyllm than rank 0's, and may compute other bits; install the "
         "same on all machines");
  }
  Opened opened;
  opened.file = formats::open_model_file(greeting.model);
  if (formats::fingerprint_sample(*opened.file) != greeting.sample) {
    fail(ErrorCode::usage, "{} is another model than rank 0's; copy rank 0's file to all machines",
         greeting.model);
  }
  opened.backend = kernels::create_cpu_backend(greeting.isa, greeting.threads);
  return opened;
}

void serve_model(Transport& transport, const Message& first) {
  Presentation presentation;
  presentation.host = host_name();
  presentation.available = available_memory();
  Opened opened;
  try {
    opened = open_as(read<Greeting>(first));
  } catch (const Error& error) {
    presentation.failed = true;
    presentation.code = error.code();
    presentation.text = error.what();
  } catch (const std::exception& error) {
    presentation.failed = true;
    presentation.text = error.what();
  }
  transport.send(0, Channel::replies, written(presentation));
  if (!presentation.failed) RankServer(transport, *opened.backend, *opened.file).run();
}

}  // namespace

void serve_models(Transport& transport) {
  while (true) {
    const Message message = transport.receive(0, Channel::commands);
    if (message.empty()) return;
    serve_model(transport, message);
  }
}

RankGroup::RankGroup(Transport& transport, const kernels::Backend& home,
                     const formats::ModelFile& file, int threads)
    : transport_(transport),
      home_(home),
      file_(file),
      shared_{transport, home, file,
              [this] {
                for (const auto& backend : backends_) backend->flush();
              },
              [this](int from, int to) -> LinkCount& {
                const std::lock_guard lock(links_mutex_);
                return links_[{from, to}];
              }} {
  const Greeting greeting{build_id(), std::filesystem::absolute(file.path()).string(),
                          std::string(home.isa()), threads, formats::fingerprint_sample(file)};
  for (int rank = 1; rank < size(); ++rank) {
    transport_.send(rank, Channel::commands, written(greeting));
  }
  hosts_.push_back(host_name());
  available_.push_back(available_memory());
  std::string refused;
  ErrorCode code = ErrorCode::usage;
  std::vector<int> serving;
  for (int rank = 1; rank < size(); ++rank) {
    const auto answer = read<Presentation>(transport_.receive(rank, Channel::replies));
    if (answer.failed) {
      if (refused.empty()) code = answer.code;
      refused += fmt::format("{}rank {} ({}): {}", refused.empty() ? "" : "; ", rank, answer.host,
                             answer.text);
      continue;
    }
    serving.push_back(rank);
    hosts_.push_back(answer.host);
    available_.push_back(answer.available);
  }
  if (!refused.empty()) {
    for (const int rank : serving) transport_.send(rank, Channel::commands, {});
    fail(code, "{}", refused);
  }
  for (int rank = 1; rank < size(); ++rank) {
    backends_.push_back(
        std::make_unique<RemoteBackend>(shared_, rank, hosts_[static_cast<size_t>(rank)]));
  }
}

RankGroup::~RankGroup() {
  for (const auto& backend : backends_) {
    backend->flush();
    transport_.send(backend->rank(), Channel::commands, {});
  }
}

const kernels::Backend& RankGroup::backend(int rank) const {
  if (rank == 0) return home_;
  return *backends_[static_cast<size_t>(rank) - 1];
}

std::vector<int> RankGroup::split(int layers) const {
  std::vector<uint64_t> layer_bytes(static_cast<size_t>(layers));
  uint64_t head_bytes = 0;
  const formats::TensorView* const head = file_.find_tensor("output.weight");
  for (const formats::TensorView& tensor : file_.tensors()) {
    int layer = 0;
    if (std::sscanf(tensor.name.c_str(), "blk.%d.", &layer) == 1 && layer >= 0 && layer < layers) {
      layer_bytes[static_cast<size_t>(layer)] += tensor.data.size();
    } else if (tensor.name == (head == nullptr ? "token_embd.weight" : "output.weight")) {
      head_bytes = tensor.data.size();
    }
  }
  // Ranks on one machine share its memory.
  std::vector<uint64_t> available;
  for (size_t rank = 0; rank < hosts_.size(); ++rank) {
    const auto beside = std::count(hosts_.begin(), hosts_.end(), hosts_[rank]);
    available.push_back(available_[rank] / static_cast<uint64_t>(beside));
  }
  return split_layers(layer_bytes, head_bytes, available);
}

void RankGroup::sync() const {
  for (const auto& backend : backends_) backend->finish();
}

std::vector<RankGroup::Link> RankGroup::links() const {
  const std::lock_guard lock(links_mutex_);
  std::vector<Link> all;
  for (const auto& [ends, count] : links_) {
    all.push_back({ends.first, ends.second, count.rows, count.other});
  }
  return all;
}

}  // namespace lazyllm::distributed
