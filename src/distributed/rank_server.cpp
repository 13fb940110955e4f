// SPDX-License-Identifier: Apache-2.0
#include "distributed/rank_server.h"

#include <new>

#include "base/error.h"

namespace lazyllm::distributed {

void RankServer::run() {
  bool failed = false;
  while (true) {
    const Message message = transport_.receive(0, Channel::commands);
    if (message.empty()) return;
    if (failed) continue;
    try {
      run_message(message);
      continue;
    } catch (const Error& error) {
      answer_failure(error.code(), error.what());
    } catch (const std::bad_alloc&) {
      answer_failure(ErrorCode::io, "out of memory; use more ranks or a smaller --ctx-size");
    } catch (const std::exception& error) {
      answer_failure(ErrorCode::internal, error.what());
    }
    failed = true;
  }
}

void RankServer::run_message(const Message& message) {
  std::span<const std::byte> rest(message);
  Reader reader(rest, memory_);
  while (!reader.done()) {
    OperationCode code{};
    reader(code);
    switch (code) {
#define LAZYLLM_RUN(NAME)     \
  case OperationCode::NAME: { \
    NAME operation;           \
    operation.fields(reader); \
    run(operation);           \
    break;                    \
  }
      LAZYLLM_OPERATIONS(LAZYLLM_RUN)
#undef LAZYLLM_RUN
      default:
        fail(ErrorCode::internal, "rank 0 sent an operation that this rank does not know");
    }
  }
}

void RankServer::answer(const std::vector<float>& values) {
  Message message;
  Writer writer(message);
  writer(false, values);
  transport_.send(0, Channel::replies, std::move(message));
}

void RankServer::answer_failure(ErrorCode code, const std::string& text) {
  Message message;
  Writer writer(message);
  writer(true, code, text);
  transport_.send(0, Channel::replies, std::move(message));
}

void RankServer::run(Allocate& o) {
  memory_.allocate(backend_, o.address, o.bytes);
}
void RankServer::run(Free& o) {
  memory_.free(o.address);
}
void RankServer::run(Upload& o) {
  backend_.upload(o.values.data(), o.to, o.values.size());
}
void RankServer::run(Download& o) {
  std::vector<float> values(static_cast<size_t>(o.count));
  backend_.download(o.from, values.data(), values.size());
  answer(values);
}
void RankServer::run(Copy& o) {
  std::memcpy(o.to, o.from, static_cast<size_t>(o.bytes));
}

void RankServer::run(LoadWeight& o) {
  std::vector<kernels::WeightSource> sources;
  for (const MatrixPart& part : o.parts) {
    std::span<const std::byte> data(part.bytes);
    if (part.bytes.empty()) {
      if (part.tensor >= file_.tensors().size()) {
        fail(ErrorCode::invalid_file, "{} is not the file that rank 0 has: it has no tensor {}",
             file_.path().string(), part.tensor);
      }
      const std::span<const std::byte> whole = file_.tensors()[part.tensor].data;
      if (part.offset > whole.size() || part.size > whole.size() - part.offset) {
        fail(ErrorCode::invalid_file, "{} is not the file that rank 0 has: {} is shorter",
             file_.path().string(), part.name);
      }
      data = whole.subspan(part.offset, part.size);
    }
    sources.push_back({part.name, part.type, part.rows, part.columns, data});
  }
  const bool mapped = !o.parts.empty() && o.parts.front().bytes.empty();
  weights_[o.weight] = backend_.load_weight(sources, o.drop_source && mapped);
}
void RankServer::run(FreeWeight& o) {
  weights_.erase(o.weight);
}

void RankServer::run(RmsNorm& o) {
  backend_.rms_norm(o.in, o.gamma, o.epsilon, o.out);
}
void RankServer::run(Matmul& o) {
  std::vector<kernels::MatmulTarget> targets;
  for (const Matmul::Target& target : o.targets) {
    targets.push_back(
        {weights_.at(target.weight).get(), target.bias, target.out, target.accumulate});
  }
  backend_.matmul(o.in, targets);
}
void RankServer::run(Rope& o) {
  backend_.rope(o.rows, o.heads, o.head_dim, o.positions, o.table);
}
void RankServer::run(GatedActivation& o) {
  backend_.gated_activation(o.activation, o.gate, o.up, o.out);
}
void RankServer::run(Add& o) {
  backend_.add(o.rows, o.other);
}
void RankServer::run(Multiply& o) {
  backend_.multiply(o.rows, o.other);
}
void RankServer::run(Gather& o) {
  backend_.gather(o.rows, o.tile);
}
void RankServer::run(Scatter& o) {
  backend_.scatter(o.tile, o.rows);
}
void RankServer::run(ScatterAdd& o) {
  backend_.scatter_add(o.tile, o.scales, o.rows);
}
void RankServer::run(AppendKv& o) {
  backend_.append_kv(o.cache.view(), o.slots, o.k, o.v);
}
void RankServer::run(MoveKv& o) {
  backend_.move_kv(o.from.view(), o.from_slots, o.from_positions, o.to.view(), o.to_slots,
                   o.to_positions, o.turns ? &o.table : nullptr);
}
void RankServer::run(Attention& o) {
  backend_.attention(o.input(), o.out);
}
void RankServer::run(AttentionScores& o) {
  std::vector<float> scores(o.attention.key_slots.size());
  backend_.attention_scores(o.attention.input(), o.kind, scores);
  answer(scores);
}

void RankServer::run(KeySimilarities& o) {
  std::vector<float> scores(static_cast<size_t>(o.cache.layout.kv_heads) * o.key_slots.size());
  backend_.key_similarities({o.queries, o.heads, o.cache.view(), o.key_slots, o.representatives},
                            scores);
  answer(scores);
}
void RankServer::run(Convolve& o) {
  backend_.convolve({o.cache.view(), o.slots, o.taps, o.weights, o.bias, o.gate}, o.out);
}

void RankServer::run(DownloadRows& o) {
  std::vector<float> values(o.rows.size() * static_cast<size_t>(o.columns));
  backend_.download_rows(o.rows, o.columns, values.data());
  answer(values);
}
void RankServer::run(SendRows& o) {
  Message message(o.rows.size() * static_cast<size_t>(o.columns) * sizeof(float));
  for (size_t r = 0; r < o.rows.size(); ++r) {
    const size_t bytes = static_cast<size_t>(o.columns) * sizeof(float);
    std::memcpy(message.data() + r * bytes, o.rows[r], bytes);
  }
  transport_.send(o.to, Channel::rows, std::move(message));
}
void RankServer::run(ReceiveRows& o) {
  const Message message = transport_.receive(o.from, Channel::rows);
  const size_t bytes = static_cast<size_t>(o.tile.columns) * sizeof(float);
  if (message.size() != static_cast<size_t>(o.tile.rows) * bytes) {
    fail(ErrorCode::internal, "rank {} sent rows of another tile", o.from);
  }
  for (int64_t r = 0; r < o.tile.rows; ++r) {
    std::memcpy(o.tile.row(r), message.data() + static_cast<size_t>(r) * bytes, bytes);
  }
}
void RankServer::run(Mark&) {
  answer({});
}
void RankServer::run(Sync&) {
  answer({});
}

}  // namespace lazyllm::distributed
