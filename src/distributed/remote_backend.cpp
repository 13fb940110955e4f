// SPDX-License-Identifier: Apache-2.0
#include "distributed/remote_backend.h"

#include <utility>

#include "base/error.h"

namespace lazyllm::distributed {
namespace {

/// A queue is sent when it has grown so long, at the end of each layer's tile, or when somebody
/// waits.
constexpr size_t kQueueBytes = 16384;
/// Tiles whose rows a rank was sent before they are done. More would only let others wait that
/// come in between, and take memory.
constexpr int kMostTilesAhead = 3;

template <typename T>
std::vector<T> list(std::span<const T> values) {
  return {values.begin(), values.end()};
}
template <typename T>
std::vector<T*> list(std::span<T* const> pointers) {
  return {pointers.begin(), pointers.end()};
}

}  // namespace

class RemoteBackend::RemoteWeight final : public kernels::Weight {
 public:
  RemoteWeight(const RemoteBackend& backend, uint64_t id, int64_t rows, int64_t columns,
               size_t bytes)
      : backend_(backend), id_(id), rows_(rows), columns_(columns), bytes_(bytes) {}
  ~RemoteWeight() override { backend_.post(FreeWeight{id_}); }
  int64_t rows() const override { return rows_; }
  int64_t columns() const override { return columns_; }
  /// As in the file.
  size_t bytes() const override { return bytes_; }
  uint64_t id() const { return id_; }

 private:
  const RemoteBackend& backend_;
  uint64_t id_;
  int64_t rows_, columns_;
  size_t bytes_;
};

RemoteBackend::RemoteBackend(Shared& shared, int rank, std::string host)
    : shared_(shared),
      rank_(rank),
      host_(std::move(host)),
      memory_([this](uint64_t address) { post(Free{address}); }) {}

RemoteBackend::~RemoteBackend() = default;

/// An operation that nobody waits for. Where the rank is broken, whoever waits next hears of it.
template <typename Operation>
void RemoteBackend::post(Operation operation) const {
  const std::lock_guard lock(queue_mutex_);
  queue_.push_back(static_cast<std::byte>(code_of(operation)));
  Writer writer(queue_);
  operation.fields(writer);
  if (queue_.size() >= kQueueBytes) flush_locked();
}

template <typename Operation>
void RemoteBackend::request(Operation operation, std::span<float> answer, bool rows) const {
  const std::lock_guard lock(request_mutex_);
  check_working();
  post(std::move(operation));
  shared_.flush_all();
  for (; tiles_ahead_ > 0; --tiles_ahead_) take_answer({}, false);  // those of marks come first
  take_answer(answer, rows);
}

void RemoteBackend::take_answer(std::span<float> answer, bool rows) const {
  const Message reply = shared_.transport.receive(rank_, Channel::replies);
  LinkCount& link = shared_.link(rank_, 0);
  (rows ? link.rows : link.other) += std::ssize(reply);
  const AddressMap nothing;
  Reader reader(reply, nothing);
  bool failed = false;
  reader(failed);
  if (failed) {
    broken_ = true;
    ErrorCode code = ErrorCode::internal;
    std::string text;
    reader(code, text);
    fail(code, "rank {} ({}): {}", rank_, host_, text);
  }
  std::vector<float> values;
  reader(values);
  if (values.size() != answer.size()) {
    fail(ErrorCode::internal, "rank {} ({}) answered with {} values instead of {}", rank_, host_,
         values.size(), answer.size());
  }
  std::copy(values.begin(), values.end(), answer.begin());
}

void RemoteBackend::check_working() const {
  if (!broken_) return;
  fail(ErrorCode::internal, "rank {} ({}) failed before and computes no more; start again", rank_,
       host_);
}

void RemoteBackend::flush() const {
  const std::lock_guard lock(queue_mutex_);
  flush_locked();
}

void RemoteBackend::flush_locked() const {
  if (queue_.empty()) return;
  shared_.link(0, rank_).other += std::ssize(queue_);
  shared_.transport.send(rank_, Channel::commands, std::exchange(queue_, {}));
}

void RemoteBackend::finish() const {
  request(Sync{}, {});
}

kernels::Buffer RemoteBackend::allocate(size_t bytes) const {
  kernels::Buffer buffer = memory_.allocate(bytes);
  post(Allocate{address_of(buffer.data()), bytes});
  return buffer;
}

void RemoteBackend::upload(const float* host, float* device, size_t count) const {
  if (count > 0) post(Upload{{host, host + count}, device});
}

void RemoteBackend::download(const float* device, float* host, size_t count) const {
  if (count > 0) request(Download{static_cast<int64_t>(count), device}, {host, count});
}

void RemoteBackend::copy(const kernels::Buffer& from, const kernels::Buffer& to) const {
  LAZYLLM_CHECK(from.bytes() == to.bytes());
  post(Copy{static_cast<int64_t>(from.bytes()), static_cast<const std::byte*>(from.data()),
            static_cast<std::byte*>(to.data())});
}

void RemoteBackend::download_rows(std::span<const float* const> rows, int64_t columns,
                                  float* host) const {
  const size_t count = rows.size() * static_cast<size_t>(columns);
  if (count > 0) request(DownloadRows{columns, list(rows)}, {host, count}, /*rows=*/true);
}

void RemoteBackend::gather_from(const Backend& other, std::span<const float* const> rows,
                                FloatRows tile) const {
  const int64_t bytes = std::ssize(rows) * tile.columns * static_cast<int64_t>(sizeof(float));
  const std::lock_guard lock(request_mutex_);
  check_working();
  while (tiles_ahead_ >= kMostTilesAhead) {
    shared_.flush_all();
    take_answer({}, false);
    --tiles_ahead_;
  }
  if (const auto* const peer = dynamic_cast<const RemoteBackend*>(&other)) {
    peer->post(SendRows{rank_, tile.columns, list(rows)});
    peer->flush();
    post(ReceiveRows{peer->rank_, tile});
    shared_.link(peer->rank_, rank_).rows += bytes;
  } else {
    Backend::gather_from(other, rows, tile);
    LinkCount& link = shared_.link(0, rank_);
    link.rows += bytes;
    link.other -= bytes;  // they go, or went, with the operations
  }
  post(Mark{});
  ++tiles_ahead_;
}

MatrixPart RemoteBackend::part_of(const kernels::WeightSource& source) const {
  MatrixPart part;
  part.name = source.name;
  part.type = source.type;
  part.rows = source.rows;
  part.columns = source.columns;
  part.size = source.data.size();
  const std::vector<formats::TensorView>& tensors = shared_.file.tensors();
  for (size_t t = 0; t < tensors.size(); ++t) {
    const std::span<const std::byte> data = tensors[t].data;
    if (source.data.data() < data.data() ||
        source.data.data() + source.data.size() > data.data() + data.size()) {
      continue;
    }
    part.tensor = t;
    part.offset = static_cast<uint64_t>(source.data.data() - data.data());
    return part;
  }
  part.bytes = list(source.data);  // made by this rank
  return part;
}

std::unique_ptr<const kernels::Weight> RemoteBackend::load_weight(
    std::span<const kernels::WeightSource> sources, bool drop_source) const {
  LoadWeight load{next_weight_++, drop_source, {}};
  int64_t rows = 0;
  size_t bytes = 0;
  for (const kernels::WeightSource& source : sources) {
    load.parts.push_back(part_of(source));
    rows += source.rows;
    bytes += source.data.size();
  }
  auto weight = std::make_unique<const RemoteWeight>(*this, load.weight, rows,
                                                     sources.front().columns, bytes);
  post(std::move(load));
  flush();  // it loads while this rank goes on
  return weight;
}

void RemoteBackend::embed(const kernels::WeightSource&, std::span<const int32_t>, float, FloatRows,
                          int64_t) const {
  fail(ErrorCode::internal, "rank {} was asked for embeddings", rank_);
}

int RemoteBackend::input_bytes(const kernels::Weight&) const {
  fail(ErrorCode::internal, "rank {} was asked how it multiplies", rank_);
}

void RemoteBackend::rms_norm(ConstFloatRows in, const float* gamma, float epsilon,
                             FloatRows out) const {
  post(RmsNorm{in, gamma, epsilon, out});
}

void RemoteBackend::matmul(ConstFloatRows in,
                           std::span<const kernels::MatmulTarget> targets) const {
  Matmul matmul{in, {}};
  for (const kernels::MatmulTarget& target : targets) {
    const auto& weight = static_cast<const RemoteWeight&>(*target.weight);
    matmul.targets.push_back({weight.id(), target.bias, target.out, target.accumulate});
  }
  post(std::move(matmul));
}

void RemoteBackend::rope(FloatRows rows, int heads, int head_dim,
                         std::span<const int32_t> positions,
                         const kernels::RopeTable& table) const {
  post(Rope{rows, heads, head_dim, list(positions), table});
}

void RemoteBackend::gated_activation(kernels::Activation activation, ConstFloatRows gate,
                                     ConstFloatRows up, FloatRows out) const {
  post(GatedActivation{activation, gate, up, out});
}

void RemoteBackend::add(FloatRows rows, ConstFloatRows other) const {
  post(Add{rows, other});
}

void RemoteBackend::multiply(FloatRows rows, ConstFloatRows other) const {
  post(Multiply{rows, other});
}

void RemoteBackend::gather(std::span<const float* const> rows, FloatRows tile) const {
  post(Gather{list(rows), tile});
}

void RemoteBackend::scatter(ConstFloatRows tile, std::span<float* const> rows) const {
  post(Scatter{tile, list(rows)});
  flush();  // the end of a layer's tile: it can begin
}

void RemoteBackend::scatter_add(ConstFloatRows tile, std::span<const float> scales,
                                std::span<float* const> rows) const {
  post(ScatterAdd{tile, list(scales), list(rows)});
}

void RemoteBackend::append_kv(const kernels::KvLayerView& cache, std::span<const int32_t> slots,
                              ConstFloatRows k, ConstFloatRows v) const {
  post(AppendKv{Cache(cache), list(slots), k, v});
}

void RemoteBackend::move_kv(const kernels::KvLayerView& from, std::span<const int32_t> from_slots,
                            std::span<const int32_t> from_positions, const kernels::KvLayerView& to,
                            std::span<const int32_t> to_slots,
                            std::span<const int32_t> to_positions,
                            const kernels::RopeTable* table) const {
  MoveKv move{Cache(from),    Cache(to),          list(from_slots), list(from_positions),
              list(to_slots), list(to_positions), table != nullptr, {}};
  if (table != nullptr) move.table = *table;
  post(std::move(move));
}

void RemoteBackend::attention(const kernels::AttentionInput& input, FloatRows out) const {
  Attention attention(input);
  attention.out = out;
  post(std::move(attention));
}

void RemoteBackend::attention_scores(const kernels::AttentionInput& input, kernels::ScoreKind kind,
                                     std::span<float> scores) const {
  request(AttentionScores{Attention(input), kind}, scores);
}

void RemoteBackend::key_similarities(const kernels::KeySimilarityInput& input,
                                     std::span<float> scores) const {
  request(KeySimilarities{input.queries, input.heads, input.representatives, Cache(input.cache),
                          list(input.key_slots)},
          scores);
}

void RemoteBackend::convolve(const kernels::ConvolutionInput& input, FloatRows out) const {
  post(Convolve{Cache(input.cache), list(input.slots), input.taps, input.weights, input.bias,
                input.gate, out});
}

}  // namespace lazyllm::distributed
