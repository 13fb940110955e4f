// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "server/request_error.h"

namespace lazyllm::server {

/// The refusal of `work` as "status code param: message".
template <typename Work>
std::string refusal_of(Work work) {
  try {
    work();
  } catch (const RequestError& error) {
    const auto json = nlohmann::json::parse(error.to_json()).at("error");
    const auto text = [&](const char* key) {
      return json.at(key).is_null() ? std::string("-") : json.at(key).get<std::string>();
    };
    return std::to_string(error.status()) + " " + text("code") + " " + text("param") + ": " +
           text("message");
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

}  // namespace lazyllm::server
