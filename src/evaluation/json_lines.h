// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

// Reading of data sets: every error names the file and the line.
namespace lazyllm::evaluation {

/// A file that holds one JSON object. `purpose` ends the message when it cannot be read.
nlohmann::json read_json_object(const std::filesystem::path& path, const std::string& purpose);

/// Calls `use` with the object on each line and "FILE:LINE", for the first `limit` lines that are
/// not empty; 0: all.
void for_each_line(const std::filesystem::path& path, int64_t limit,
                   const std::function<void(const nlohmann::json&, const std::string&)>& use);

/// A text that must be there.
const std::string& text_field(const nlohmann::json& object, const char* name,
                              const std::string& where);
/// A text that must be there and not be empty.
const std::string& filled_text_field(const nlohmann::json& object, const char* name,
                                     const std::string& where);
/// A list of texts, with one at least; empty if it may be missing or null and is.
std::vector<std::string> texts_field(const nlohmann::json& object, const char* name,
                                     const std::string& where, bool required = true);
/// An integer, or 0 if there is none.
int64_t integer_field(const nlohmann::json& object, const char* name);

}  // namespace lazyllm::evaluation
