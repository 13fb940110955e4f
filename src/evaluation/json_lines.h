// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json_object.h"

// Reading of data sets: every error names the file and the line.
namespace lazyllm::evaluation {

/// A file that holds one JSON object. `purpose` ends the message when it cannot be read.
nlohmann::json read_json_object(const std::filesystem::path& path, const std::string& purpose);

/// Calls `use` with the object on each line, whose where() is "FILE:LINE", for the first `limit`
/// lines that are not empty; 0: all.
void for_each_line(const std::filesystem::path& path, int64_t limit,
                   const std::function<void(const JsonObject&)>& use);

/// A text that must be there and not be empty.
std::string filled_text(const JsonObject& object, const char* name);
/// A list that must be there with one text at least.
std::vector<std::string> filled_texts(const JsonObject& object, const char* name);
/// A whole number from 0 on; 0 if there is none.
int64_t count_or_0(const JsonObject& object, const char* name);

}  // namespace lazyllm::evaluation
