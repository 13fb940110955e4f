// SPDX-License-Identifier: Apache-2.0
#include "server/slot_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace lazyllm::server {
namespace {

constexpr size_t kMostNameBytes = 200;  // a file system takes 255, and ".part" is added
constexpr std::string_view kOwnExtension = ".lazysnapshot";

void show_slots(ModelService& service, Exchange& exchange) {
  Json slots = Json::array();
  for (const SlotInfo& slot : service.scheduler->slots()) {
    slots.push_back({{"id", slot.id},
                     {"is_processing", slot.busy},
                     {"n_ctx", service.scheduler->options().context},
                     {"n_prompt_tokens", slot.prompt_tokens},
                     {"n_prompt_tokens_cache", slot.cached_tokens},
                     {"n_decoded", slot.generated_tokens},
                     {"prefill_share", slot.prefill_share}});
  }
  respond(exchange, slots);
}

/// A name in the folder of --slot-save-path and nothing else.
std::string parse_file_name(const Fields& body) {
  const std::string name = to_text(body.require("filename"), "filename");
  const bool plain = std::none_of(name.begin(), name.end(), [](unsigned char c) {
    return c == '/' || c == '\\' || c < 0x20 || c == 0x7f;
  });
  if (name.empty() || name.size() > kMostNameBytes || name[0] == '.' || !plain) {
    throw invalid_request(
        "filename", fmt::format("filename must be the name of a file, without folders, of 1 to {} "
                                "bytes that do not begin with a dot",
                                kMostNameBytes));
  }
  if (name.ends_with(kOwnExtension) || name.ends_with(".part")) {
    throw invalid_request("filename",
                          fmt::format("names that end in {} or .part are the server's own; "
                                      "choose another",
                                      kOwnExtension));
  }
  return name;
}

int parse_slot(const std::string& text) {
  int slot = -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), slot);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    throw invalid_request("id_slot", "the path must end in the number of a slot: /slots/0");
  }
  return slot;
}

Json body_of(const Exchange& exchange) {
  return exchange.body.empty() ? Json::object() : parse_body(exchange.body);
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void act_on_slot(ModelService& service, Exchange& exchange) {
  const int slot = parse_slot(exchange.path_rest);
  const std::string action = exchange.request.query_value("action");
  const auto start = std::chrono::steady_clock::now();
  Scheduler& scheduler = *service.scheduler;
  if (action == "erase") {
    const int64_t tokens = scheduler.erase_slot(slot);
    return respond(exchange, {{"id_slot", slot}, {"n_erased", tokens}});
  }
  if (action != "save" && action != "restore") {
    throw invalid_request("action", "action must be save, restore or erase: /slots/0?action=save");
  }
  const std::filesystem::path& folder = scheduler.options().cache_folder;
  if (folder.empty()) {
    throw RequestError(501, "not_supported_error", "unsupported",
                       "slots are saved in a folder; start the server with --slot-save-path");
  }
  const Json json = body_of(exchange);
  const std::string name = parse_file_name(Fields(json));
  if (action == "save") {
    const Scheduler::SlotFile file = scheduler.save_slot(slot, folder / name);
    return respond(exchange, {{"id_slot", slot},
                              {"filename", name},
                              {"n_saved", file.tokens},
                              {"n_written", file.bytes},
                              {"timings", {{"save_ms", milliseconds_since(start)}}}});
  }
  std::error_code error;
  if (!std::filesystem::is_regular_file(folder / name, error)) {
    throw invalid_request("filename", fmt::format("there is no saved slot \"{}\"", name),
                          "not_found");
  }
  const Scheduler::SlotFile file = scheduler.restore_slot(slot, folder / name);
  respond(exchange, {{"id_slot", slot},
                     {"filename", name},
                     {"n_restored", file.tokens},
                     {"n_read", file.bytes},
                     {"timings", {{"restore_ms", milliseconds_since(start)}}}});
}

}  // namespace

std::span<const Endpoint> slot_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"GET", "/slots", show_slots},
      {"POST", "/slots/{slot}", act_on_slot},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
