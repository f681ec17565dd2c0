#include "gateway/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace weir::gateway {
namespace {

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool IsIpV4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsIpV6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// A host name as DNS allows it: labels of letters, digits and inner hyphens.
bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  size_t label = 0;
  for (size_t i = 0; i <= host.size(); ++i) {
    if (i == host.size() || host[i] == '.') {
      if (label == 0 || label > 63 || host[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    const char c = host[i];
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && (c != '-' || label == 0)) return false;
    ++label;
  }
  return true;
}

// "host", "host:port" or "[v6]:port". `port` stays as it is when none is written.
bool ParseAuthority(std::string_view authority, std::string& host, uint16_t& port) {
  std::string_view rest;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
    if (!IsIpV6(host)) return false;
  } else {
    const size_t colon = authority.find(':');
    host = authority.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
    if (!IsHostName(host)) return false;
    // What only looks like an address (1.2.3, 127.1) means different things to different resolvers.
    const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
    if (numeric && !IsIpV4(host)) return false;
  }
  if (rest.empty()) return true;
  const std::optional<uint16_t> parsed = ParsePort(rest.substr(1));
  if (rest[0] != ':' || !parsed.has_value()) return false;
  port = *parsed;
  return true;
}

bool IsPlainPath(std::string_view path) {
  if (path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "-._~/") != std::string_view::npos) {
    return false;
  }
  const std::string closed = std::string(path) + "/";
  return closed.find("//") == std::string::npos && closed.find("/./") == std::string::npos &&
         closed.find("/../") == std::string::npos;
}

}  // namespace

bool IsLoopback(const std::string& host) {
  return host.starts_with("127.") || host == "::1";
}

std::optional<ListenAddress> ParseListenAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string host(text.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!IsIpV6(host)) return std::nullopt;
  } else if (host == "localhost") {
    host = "127.0.0.1";
  } else if (!IsIpV4(host)) {
    return std::nullopt;
  }
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port.has_value()) return std::nullopt;
  ListenAddress address;
  address.host = std::move(host);
  address.port = *port;
  return address;
}

std::string ParseBaseUrl(std::string_view url, Upstream& upstream) {
  constexpr std::string_view kHttp = "http://";
  constexpr std::string_view kHttps = "https://";
  const bool tls = url.starts_with(kHttps);
  if (!tls && !url.starts_with(kHttp)) return "must begin with http:// or https://";
  const std::string_view rest = url.substr(tls ? kHttps.size() : kHttp.size());
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return "must end with its path; leave out the query and the fragment";
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  if (authority.find('@') != std::string_view::npos) {
    return "must not carry a user or password; name the API key's variable in \"api_key_env\"";
  }
  std::string host;
  uint16_t port = tls ? 443 : 80;
  if (!ParseAuthority(authority, host, port) || port == 0) {
    return "must name a host or an IP address, and a port from 1 to 65535 if any";
  }
  if (path.ends_with('/')) path.remove_suffix(1);
  if (!IsPlainPath(path)) {
    return "must have a path of letters, digits and -._~/ without empty or dot segments";
  }
  upstream.endpoint = Endpoint{std::move(host), port, tls};
  upstream.base_path = path;
  upstream.host_field = authority;
  return "";
}

}  // namespace weir::gateway
