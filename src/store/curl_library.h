// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

namespace lazyllm::store {

/// The functions of libcurl that a transfer calls. The library is opened when the first transfer
/// starts, so that the program runs where it is not installed, and a copied program takes the
/// system's own with its certificates and security updates.
struct CurlLibrary {
  decltype(&curl_easy_init) init;
  decltype(&curl_easy_setopt) set;
  decltype(&curl_easy_perform) perform;
  decltype(&curl_easy_getinfo) get;
  decltype(&curl_easy_cleanup) cleanup;
  decltype(&curl_easy_strerror) message;
  decltype(&curl_slist_append) append;
  decltype(&curl_slist_free_all) free_list;
};

/// Thread-safe. Errors: Error(io) that names the package to install.
const CurlLibrary& curl_library();

}  // namespace lazyllm::store
