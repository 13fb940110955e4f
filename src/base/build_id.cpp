// SPDX-License-Identifier: Apache-2.0
#include "base/build_id.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <span>

namespace lazyllm {
namespace {

/// The linker's note (ld's option --build-id) among those of a segment; empty: it is not there.
std::string find_note(std::span<const std::byte> notes) {
  const auto padded = [](size_t size) { return (size + 3) / 4 * 4; };
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) head;
    std::memcpy(&head, notes.data(), sizeof(head));
    const size_t name = sizeof(head), text = name + padded(head.n_namesz);
    const size_t end = text + padded(head.n_descsz);
    if (end > notes.size()) return {};
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
        std::memcmp(notes.data() + name, "GNU", 4) == 0) {
      std::string digits;
      for (const std::byte byte : notes.subspan(text, head.n_descsz)) {
        digits += fmt::format("{:02x}", static_cast<unsigned>(byte));
      }
      return digits;
    }
    notes = notes.subspan(end);
  }
  return {};
}

struct Search {
  uintptr_t address;
  std::string found;
};

int look_at(dl_phdr_info* object, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  bool ours = false;
  std::string id;
  for (const ElfW(Phdr) & part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    const uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD) {
      ours = ours || (search.address >= begin && search.address - begin < part.p_memsz);
    } else if (part.p_type == PT_NOTE && id.empty()) {
      id = find_note({reinterpret_cast<const std::byte*>(begin), part.p_memsz});
    }
  }
  if (ours) search.found = id;
  return ours ? 1 : 0;
}

}  // namespace

const std::string& build_id() {
  static const std::string id = [] {
    Search search{reinterpret_cast<uintptr_t>(&look_at), {}};
    dl_iterate_phdr(look_at, &search);
    return search.found;
  }();
  return id;
}

}  // namespace lazyllm
