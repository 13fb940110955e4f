// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::store {

/// "OWNER/REPO[:QUANT]"
struct HubName {
  std::string owner, repository, quantisation;
};
/// Errors: Error(usage) for anything else, such as names with a slash or "..".
HubName parse_hub_name(std::string_view text);

struct HubFile {
  std::string path;
  std::string sha256;  ///< empty for a small file that has none
};
/// The .gguf files in a hub's list of a repository's files. Errors: Error(io) if it is none.
std::vector<HubFile> parse_hub_files(const std::string& json, const std::string& url);

/// The file that is meant: of the quantisation, or Q4_K_M, Q4_0, Q8_0 or the only one.
/// Errors: Error(usage) with the names that there are.
HubFile choose_hub_file(const HubName& name, const std::vector<HubFile>& files);

}  // namespace lazyllm::store
