// SPDX-License-Identifier: Apache-2.0
// The thin layer under lazyllm_engine: what needs C++ and nothing else. The Python files beside it
// give it its shape.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "lazyllm/lazyllm.h"
#include "lazyllm/research/attention.h"

namespace nb = nanobind;
using namespace nb::literals;
using lazyllm::Error;
using lazyllm::ErrorCode;
using lazyllm::Model;
using lazyllm::TokenId;

namespace {

using Ranges = std::vector<std::pair<int64_t, int64_t>>;
using Message = std::tuple<std::string, std::string>;  // role, content

const char* class_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return "UsageError";
    case ErrorCode::invalid_file:
      return "InvalidFileError";
    case ErrorCode::unsupported:
      return "UnsupportedError";
    case ErrorCode::invalid_input:
      return "InvalidInputError";
    case ErrorCode::context_full:
      return "ContextFullError";
    case ErrorCode::io:
      return "FileError";
    default:
      return "Error";
  }
}

/// An array that owns its numbers.
template <typename T>
nb::ndarray<nb::numpy, T> to_array(std::vector<T> values, std::initializer_list<size_t> shape) {
  auto* owned = new std::vector<T>(std::move(values));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::ndarray<nb::numpy, T>(owned->data(), shape, owner);
}

lazyllm::CacheType cache_type(const std::string& name) {
  if (name == "f16") return lazyllm::CacheType::f16;
  if (name == "f32") return lazyllm::CacheType::f32;
  if (name == "q8_0") return lazyllm::CacheType::q8_0;
  throw Error(ErrorCode::usage, "cache_type " + name + ": write f16, f32 or q8_0");
}

nb::dict to_dict(const lazyllm::ModelInfo& info) {
  nb::dict d;
  d["path"] = info.path;
  d["architecture"] = info.architecture;
  d["name"] = info.name;
  d["file_bytes"] = info.file_bytes;
  d["parameters"] = info.parameters;
  d["context_length"] = info.context_length;
  d["vocabulary_size"] = info.vocabulary_size;
  d["layers"] = info.layers;
  d["kv_layers"] = info.kv_layers;
  d["hidden_size"] = info.hidden_size;
  d["heads"] = info.heads;
  d["kv_heads"] = info.kv_heads;
  d["head_dim"] = info.head_dim;
  d["tokenizer"] = info.tokenizer;
  d["threads"] = info.threads;
  d["isa"] = info.isa;
  return d;
}

nb::dict to_dict(const lazyllm::Statistics& s) {
  nb::dict d;
  d["policy"] = s.policy;
  d["schedule"] = s.schedule;
  d["prompt_tokens"] = s.prompt_tokens;
  d["generated_tokens"] = s.generated_tokens;
  d["ttft_ms"] = s.ttft_ms;
  d["tpot_ms"] = s.tpot_ms;
  d["total_ms"] = s.total_ms;
  d["computed_fraction"] = s.computed_fraction;
  d["computed_fraction_end"] = s.computed_fraction_end;
  d["kept_per_layer"] = s.kept_per_layer;
  d["shared_kv_saved"] = s.shared_kv_saved;
  d["revived_tokens"] = s.revived_tokens;
  d["kv_bytes"] = s.kv_bytes;
  d["aux_bytes"] = s.aux_bytes;
  return d;
}

std::vector<lazyllm::TokenRange> to_ranges(const Ranges& pairs) {
  std::vector<lazyllm::TokenRange> ranges;
  for (const auto& [begin, end] : pairs) ranges.push_back({begin, end});
  return ranges;
}

/// Tokens, and the ranges that no policy may drop.
std::pair<std::vector<TokenId>, Ranges> chat_prompt(const Model& model,
                                                    const std::vector<Message>& messages) {
  std::vector<lazyllm::ChatMessage> list;
  for (const auto& [role, content] : messages) list.push_back({role, content});
  const lazyllm::ChatPrompt prompt = model.chat_prompt(list);
  Ranges ranges;
  for (const lazyllm::TokenRange& range : prompt.protected_ranges) {
    ranges.emplace_back(range.begin, range.end);
  }
  return {prompt.tokens, ranges};
}

/// Keyword arguments, None where nothing was said.
lazyllm::PruningOptions pruning_options(const nb::dict& given) {
  lazyllm::PruningOptions options;
  const auto take = [&](const char* name, auto& member) {
    if (given.contains(name)) member = nb::cast<std::decay_t<decltype(member)>>(given[name]);
  };
  take("policy", options.policy);
  take("prune", options.prune);
  take("profile", options.profile);
  take("score", options.score);
  take("score_pool", options.score_pool);
  take("keep_mass", options.keep_mass);
  take("protect_first", options.protect_first);
  take("protect_last", options.protect_last);
  take("min_prompt", options.min_prompt);
  take("attention", options.attention);
  take("seed", options.seed);
  std::optional<int64_t> budget;
  take("revive_budget", budget);
  if (budget) options.revive_budget = lazyllm::RevivalBudget{*budget};
  return options;
}

using OnText = std::function<void(const std::string&)>;
using OnProgress = std::function<void(double)>;

/// Runs without the interpreter's lock; the callbacks take it.
nb::tuple generate(lazyllm::Session& session, const std::vector<TokenId>& tokens,
                   const Ranges& protected_ranges, int64_t max_tokens,
                   const std::vector<std::string>& stop, bool ignore_eos, float temperature,
                   int top_k, float top_p, float min_p, float repeat_penalty, uint64_t seed,
                   const OnText& on_text, const OnProgress& on_progress) {
  lazyllm::GenerationOptions options;
  options.max_tokens = max_tokens;
  options.stop = stop;
  options.ignore_eos = ignore_eos;
  options.protected_ranges = to_ranges(protected_ranges);
  options.sampling.temperature = temperature;
  options.sampling.top_k = top_k;
  options.sampling.top_p = top_p;
  options.sampling.min_p = min_p;
  options.sampling.repeat_penalty = repeat_penalty;
  options.sampling.seed = seed;
  lazyllm::GenerationCallbacks callbacks;
  callbacks.on_text = [&](std::string_view text) {
    nb::gil_scoped_acquire lock;
    on_text(std::string(text));
  };
  callbacks.on_progress = [&](double share, int, int) {
    nb::gil_scoped_acquire lock;
    on_progress(share);
  };
  lazyllm::GenerationResult result;
  {
    nb::gil_scoped_release unlocked;
    result = session.generate(tokens, options, callbacks);
  }
  const char* reason = result.finish_reason == lazyllm::FinishReason::stop     ? "stop"
                       : result.finish_reason == lazyllm::FinishReason::length ? "length"
                                                                               : "cancelled";
  return nb::make_tuple(result.text, result.tokens, reason, to_dict(session.statistics()));
}

/// float32 [positions][vocabulary] of a dense pass.
nb::ndarray<nb::numpy, float> logits(lazyllm::Session& session, const Model& model,
                                     const std::vector<TokenId>& tokens,
                                     const std::vector<int32_t>& positions) {
  const auto vocabulary = static_cast<size_t>(model.info().vocabulary_size);
  std::vector<float> rows;
  {
    nb::gil_scoped_release unlocked;
    rows.reserve(positions.size() * vocabulary);
    session.logits(tokens, positions, [&](int64_t, std::span<const float> row) {
      rows.insert(rows.end(), row.begin(), row.end());
    });
  }
  return to_array(std::move(rows), {positions.size(), vocabulary});
}

/// Layers (1-based) and the last token's attention there, float32 [layers][tokens].
nb::tuple attention(const Model& model, const std::vector<TokenId>& tokens) {
  std::vector<int> layers;
  std::vector<float> rows;
  {
    nb::gil_scoped_release unlocked;
    lazyllm::last_token_attention(model, tokens, [&](int layer, std::span<const float> scores) {
      layers.push_back(layer);
      rows.insert(rows.end(), scores.begin(), scores.end());
    });
  }
  const size_t count = layers.size();
  return nb::make_tuple(std::move(layers), to_array(std::move(rows), {count, tokens.size()}));
}

/// Of each token of the continuation: the natural logarithm of its probability, and the token that
/// was the most likely one.
nb::tuple forced(lazyllm::Session& session, const std::vector<TokenId>& prompt,
                 const std::vector<TokenId>& continuation, const Ranges& ranges) {
  std::vector<double> logarithms;
  std::vector<TokenId> likeliest;
  {
    nb::gil_scoped_release unlocked;
    session.forced_logits(
        prompt, continuation,
        [&](int64_t index, std::span<const float> row) {
          const auto highest = std::max_element(row.begin(), row.end());
          double sum = 0.0;
          for (const float value : row) sum += std::exp(static_cast<double>(value) - *highest);
          const float own = row[static_cast<size_t>(continuation[static_cast<size_t>(index)])];
          logarithms.push_back(static_cast<double>(own) - *highest - std::log(sum));
          likeliest.push_back(static_cast<TokenId>(highest - row.begin()));
        },
        to_ranges(ranges));
  }
  return nb::make_tuple(std::move(logarithms), std::move(likeliest));
}

}  // namespace

NB_MODULE(_core, m) {
  m.attr("version") = lazyllm::version();
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& error) {
      const nb::object type =
          nb::module_::import_("lazyllm_engine._errors").attr(class_of(error.code()));
      PyErr_SetString(type.ptr(), error.what());
    }
  });

  nb::class_<Model>(m, "Model")
      .def_static(
          "load",
          [](const std::string& path, int threads, const std::string& isa,
             const std::string& chat_template) {
            lazyllm::ModelOptions options;
            options.threads = threads;
            options.isa = isa;
            options.chat_template = chat_template;
            nb::gil_scoped_release unlocked;
            return std::const_pointer_cast<Model>(Model::load(path, options));
          },
          "path"_a, "threads"_a, "isa"_a, "chat_template"_a)
      .def("info", [](const Model& model) { return to_dict(model.info()); })
      .def(
          "tokenize",
          [](const Model& model, const std::string& text, bool add_special, bool parse_special) {
            return model.tokenize(text, add_special, parse_special);
          },
          "text"_a, "add_special"_a, "parse_special"_a)
      .def("detokenize",
           [](const Model& model, const std::vector<TokenId>& tokens, bool special) {
             const std::string text = model.detokenize(tokens, special);
             return nb::bytes(text.data(), text.size());
           })
      .def("has_chat_template", &Model::has_chat_template)
      .def("chat_prompt", &chat_prompt)
      .def("attention", &attention)
      .def("profile",
           [](const Model& model, const nb::dict& pruning) -> std::optional<std::string> {
             const auto profile = lazyllm::applied_profile(pruning_options(pruning), model);
             if (!profile) return std::nullopt;
             return profile->path.string();
           });

  nb::class_<lazyllm::Session>(m, "Session")
      .def("__init__",
           [](lazyllm::Session* self, std::shared_ptr<Model> model, int64_t context,
              const std::string& cache_type_name, const nb::dict& pruning) {
             lazyllm::SessionOptions options;
             options.context = context;
             options.cache_type_k = options.cache_type_v = cache_type(cache_type_name);
             options.pruning = pruning_options(pruning);
             new (self) lazyllm::Session(std::move(model), options);
           })
      .def("generate", &generate)
      .def("logits", &logits)
      .def("forced", &forced)
      .def("cancel", &lazyllm::Session::cancel)
      .def("reset", &lazyllm::Session::reset)
      .def("truncate", &lazyllm::Session::truncate)
      .def("size", &lazyllm::Session::size)
      .def("context", &lazyllm::Session::context)
      .def("log_likelihood",
           [](lazyllm::Session& session, const std::vector<TokenId>& prompt,
              const std::vector<TokenId>& continuation, const Ranges& ranges) {
             nb::gil_scoped_release unlocked;
             return session.log_likelihood(prompt, continuation, to_ranges(ranges));
           })
      .def("depths",
           [](const lazyllm::Session& session) {
             const auto& depths = session.token_report().depths;
             return to_array(std::vector<int32_t>(depths.begin(), depths.end()), {depths.size()});
           })
      .def("revivals", [](const lazyllm::Session& session) {
        std::vector<std::tuple<int64_t, int64_t, int>> list;
        for (const auto& r : session.token_report().revivals) {
          list.emplace_back(r.step, r.token, r.depth);
        }
        return list;
      });
}
