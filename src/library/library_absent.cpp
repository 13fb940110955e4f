// SPDX-License-Identifier: Apache-2.0
// In place of library.cpp where the program is built without SQLite.
#include "base/error.h"
#include "lazyllm/library.h"

namespace lazyllm {

namespace fs = std::filesystem;

struct Library::Implementation {};

fs::path default_library_folder() {
  return {};
}

Library::Library(const LibraryOptions& options) {
  fail(ErrorCode::unsupported,
       "--library {}: this program was built without SQLite (LAZYLLM_BUILD_LIBRARY)",
       options.folder.string());
}
Library::~Library() = default;

// There is none to call these on.
std::string Library::put_document(const std::string&, std::string_view) {
  return {};
}
std::string Library::document_id(std::string_view) {
  return {};
}
std::optional<std::string> Library::document(const std::string&) {
  return {};
}
std::optional<LibraryEntry> Library::entry(LibraryEntry::Kind, const std::string&) {
  return {};
}
void Library::put_file(LibraryEntry, const std::function<void(const fs::path&)>&) {}
bool Library::bring(const LibraryEntry&) {
  return false;
}
fs::path Library::path_of(const LibraryEntry&) const {
  return {};
}
void Library::put_aside(const LibraryEntry&, const std::string&) {}
std::vector<LibraryEntry> Library::entries(LibraryEntry::Kind, const std::string&) {
  return {};
}
int64_t Library::changes() {
  return 0;
}
void Library::note_use(LibraryEntry::Kind, const std::string&) {}
bool Library::remove(LibraryEntry::Kind, const std::string&) {
  return false;
}
Library::Check Library::verify() {
  return {};
}
void Library::tell(const std::string&) const {}
const fs::path& Library::folder() const {
  static const fs::path none;
  return none;
}
uint64_t Library::most_bytes() const {
  return 0;
}
uint64_t Library::bytes() {
  return 0;
}

}  // namespace lazyllm
