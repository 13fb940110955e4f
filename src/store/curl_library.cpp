// SPDX-License-Identifier: Apache-2.0
#include "store/curl_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace lazyllm::store {
namespace {

// Debian's, built with OpenSSL and with GnuTLS: the same functions.
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

void* open_library() {
  for (const char* name : kNames) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL); library != nullptr) return library;
  }
  fail(ErrorCode::io,
       "libcurl is not installed, and a fetch needs it; on Debian: apt install libcurl4");
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    fail(ErrorCode::io, "the libcurl of this system has no {}; install another version", name);
  }
}

CurlLibrary load() {
  void* library = open_library();  // stays open as long as the program runs
  CurlLibrary curl{};
  find(library, "curl_easy_init", curl.init);
  find(library, "curl_easy_setopt", curl.set);
  find(library, "curl_easy_perform", curl.perform);
  find(library, "curl_easy_getinfo", curl.get);
  find(library, "curl_easy_cleanup", curl.cleanup);
  find(library, "curl_easy_strerror", curl.message);
  find(library, "curl_slist_append", curl.append);
  find(library, "curl_slist_free_all", curl.free_list);
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary curl = load();
  return curl;
}

}  // namespace lazyllm::store
