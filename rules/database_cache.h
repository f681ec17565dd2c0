// Files that keep what is slow to build, the Hyperscan databases of expressions, from one start to
// the next.
//
// A file is named by a digest of everything that decides its content: the patterns, Hyperscan's
// version and the features of the CPU. So it need never be brought up to date, sets that share
// their expressions share it, and it does not matter which build of Weir wrote it.
//
// Nothing in the folder is trusted: a file counts only if it belongs to this user, nobody else may
// write it or its folder, its digests are right and Hyperscan takes it; whoever loads a database
// still asks it known answers. Anything else is as if it were not there, and says why. A cache that
// cannot be written costs time at the next start and nothing else.
//
// File: "weir-hs1", the 32 bytes of the key, the payload's length (8 bytes, little-endian), the
// payload, SHA-256 over all that. Mode 0600, written beside its place, synced and renamed; a crash
// leaves a *.tmp file that the next writer removes. The kFilesMax used last are kept.
//
// Values; functions are safe on any thread and in several processes at once.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace weir::rules {

class DatabaseCache {
 public:
  static constexpr size_t kFilesMax = 16;
  static constexpr size_t kFileBytesMax = size_t{1} << 30;

  // Makes the folder if need be. An empty name: nothing is kept.
  explicit DatabaseCache(std::string folder) : folder_(std::move(folder)) {}

  bool enabled() const { return !folder_.empty(); }

  // The payload kept under the key, which has kDigestBytes. NotFound: there is none; any other
  // failure says what is wrong with it.
  absl::StatusOr<std::string> Load(std::string_view key) const;
  absl::Status Store(std::string_view key, std::string_view payload) const;

 private:
  std::string PathOf(std::string_view key) const;
  absl::Status CheckFolder() const;
  void RemoveOld() const;

  const std::string folder_;
};

}  // namespace weir::rules
