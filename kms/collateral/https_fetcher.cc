#include "kms/collateral/https_fetcher.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/status.h"

namespace kms::collateral {
namespace {

constexpr size_t kEtagBytesMax = 256;
constexpr long kHttpOk = 200;
constexpr long kHttpNotModified = 304;
constexpr long kHttpNotFound = 404;

struct Received {
  std::string body;
  std::string etag;
  size_t bytes_max = 0;
  bool too_large = false;
};

size_t TakeBody(char* data, size_t size, size_t count, void* to) {
  auto& received = *static_cast<Received*>(to);
  const size_t bytes = size * count;
  if (bytes > received.bytes_max - received.body.size()) {
    received.too_large = true;
    return 0;  // Ends the transfer.
  }
  received.body.append(data, bytes);
  return bytes;
}

size_t TakeHeader(char* data, size_t size, size_t count, void* to) {
  constexpr absl::string_view kEtag = "etag:";
  const absl::string_view line(data, size * count);
  if (absl::StartsWithIgnoreCase(line, kEtag)) {
    const absl::string_view etag =
        absl::StripAsciiWhitespace(line.substr(kEtag.size()));
    // It is sent back as it came, so it must be fit for a header.
    const bool plain = std::all_of(etag.begin(), etag.end(), [](char c) {
      return absl::ascii_isgraph(static_cast<unsigned char>(c));
    });
    if (plain && etag.size() <= kEtagBytesMax) {
      static_cast<Received*>(to)->etag = std::string(etag);
    }
  }
  return size * count;
}

// Called by libcurl about once a second; not 0 ends the transfer.
int IsStopped(void* stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(stopped)->load() ? 1 : 0;
}

struct Cleanup {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, Cleanup>;
using Headers = std::unique_ptr<curl_slist, Cleanup>;

// Fails once and stays failed: an option that libcurl does not take would
// leave something unchecked.
class Options {
 public:
  explicit Options(CURL* handle) : handle_(handle) {}

  template <typename T>
  Options& Set(CURLoption option, T value) {
    if (fault_ == CURLE_OK) fault_ = curl_easy_setopt(handle_, option, value);
    return *this;
  }
  bool ok() const { return fault_ == CURLE_OK; }

 private:
  CURL* const handle_;
  CURLcode fault_ = CURLE_OK;
};

bool Configure(CURL* handle, const HttpsFetcherOptions& options,
               const std::string& url, curl_slist* headers,
               std::atomic<bool>& stopped, Received& received) {
  return Options(handle)
      .Set(CURLOPT_URL, url.c_str())
      .Set(CURLOPT_PROTOCOLS_STR, "https")
      .Set(CURLOPT_FOLLOWLOCATION, 0L)
      .Set(CURLOPT_PROXY, "")  // Whatever the environment says.
      .Set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED))
      .Set(CURLOPT_NOSIGNAL, 1L)
      .Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2))
      .Set(CURLOPT_SSL_VERIFYPEER, 1L)
      .Set(CURLOPT_SSL_VERIFYHOST, 2L)
      .Set(CURLOPT_CAINFO, options.ca_file.c_str())
      .Set(CURLOPT_CAPATH, static_cast<char*>(nullptr))
      .Set(
          CURLOPT_CONNECTTIMEOUT_MS,
          static_cast<long>(absl::ToInt64Milliseconds(options.connect_timeout)))
      .Set(CURLOPT_TIMEOUT_MS,
           static_cast<long>(absl::ToInt64Milliseconds(options.total_timeout)))
      .Set(CURLOPT_HTTPHEADER, headers)
      .Set(CURLOPT_USERAGENT, "kmsd")
      .Set(CURLOPT_NOPROGRESS, 0L)
      .Set(CURLOPT_XFERINFOFUNCTION, &IsStopped)
      .Set(CURLOPT_XFERINFODATA, &stopped)
      .Set(CURLOPT_WRITEFUNCTION, &TakeBody)
      .Set(CURLOPT_WRITEDATA, &received)
      .Set(CURLOPT_HEADERFUNCTION, &TakeHeader)
      .Set(CURLOPT_HEADERDATA, &received)
      .ok();
}

}  // namespace

HttpsFetcher::HttpsFetcher(HttpsFetcherOptions options)
    : options_(std::move(options)) {
  // Once a process, before any handle; what follows is a count.
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(started);
}

absl::StatusOr<FetchResponse> HttpsFetcher::Fetch(const FetchRequest& request) {
  if (stopped_) return absl::UnavailableError("mirror: stopping");
  const Handle handle(curl_easy_init());
  if (handle == nullptr) return absl::InternalError("mirror: no handle");
  Headers headers;
  if (!request.etag.empty()) {
    const std::string line = absl::StrCat("If-None-Match: ", request.etag);
    headers.reset(curl_slist_append(nullptr, line.c_str()));
  }
  Received received;
  received.bytes_max = request.bytes_max;
  const std::string url = absl::StrCat(options_.url, request.path);
  if (!Configure(handle.get(), options_, url, headers.get(), stopped_,
                 received)) {
    return absl::InternalError("mirror: libcurl takes not all options");
  }
  const CURLcode done = curl_easy_perform(handle.get());
  if (received.too_large) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "mirror: ", request.path, ": over ", request.bytes_max, " bytes"));
  }
  if (done != CURLE_OK) {
    return absl::UnavailableError(
        absl::StrCat("mirror: ", request.path, ": ", curl_easy_strerror(done)));
  }
  long code = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &code);
  if (code == kHttpNotModified && !request.etag.empty()) {
    return FetchResponse{
        .not_modified = true, .body = "", .etag = request.etag};
  }
  if (code == kHttpNotFound) {
    return absl::NotFoundError(
        absl::StrCat("mirror: ", request.path, ": no such file"));
  }
  if (code != kHttpOk) {
    return absl::UnavailableError(
        absl::StrCat("mirror: ", request.path, ": HTTP ", code, ", want 200"));
  }
  return FetchResponse{.not_modified = false,
                       .body = std::move(received.body),
                       .etag = std::move(received.etag)};
}

}  // namespace kms::collateral
