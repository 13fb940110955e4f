// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace lazyllm {

struct QuantizeOptions {
  /// F32, F16, BF16, Q8_0, Q6_K, Q4_0; Q4_K_M, Q5_K_M: Q4_K or Q5_K with Q6_K for the matrices that
  /// suffer most; MXFP4: that for the experts of a mixture, Q8_0 for all else.
  std::string type = "Q8_0";
  int threads = 0;                       ///< 0: one per core
  std::function<void(double)> progress;  ///< 0 .. 1
};

struct QuantizeReport {
  uint64_t bytes_before = 0, bytes_after = 0;  ///< of the tensors
  int64_t quantized = 0, kept = 0;             ///< tensors; kept: vectors, routers, smaller types
};

/// Writes a model (a GGUF file or a Hugging Face folder) as one GGUF file whose matrices have the
/// type. Vectors become F32. A matrix that takes no more space already stays as it is; one whose
/// rows do not fit the type's blocks becomes Q8_0 or F16. The file appears whole or not at all.
/// Errors: Error(usage) naming the types; Error(unsupported) for a folder whose parts GGUF has no
/// names for, and for MXFP4 where there are no experts; Error(invalid_input) if both paths are one
/// file; Error(io), Error(invalid_file).
QuantizeReport quantize_model(const std::filesystem::path& in, const std::filesystem::path& out,
                              const QuantizeOptions& options);

/// "F32, F16, Q8_0, ...": for messages.
std::string quantize_types();

}  // namespace lazyllm
