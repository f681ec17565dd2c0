// Room on the ledger's disk that nobody else can take.
//
// The ballast is a file beside the store whose blocks are allocated and never written. While the
// disk has more than the low-water mark free, nothing happens. Below it the disk is low: no
// exchange begins. Should others go on to fill it, the ballast is cut, piece by piece, by what the
// next commit may need, so that what was begun can be ended. When the disk has room for the whole
// ballast and a quarter more than the mark, the ballast is made whole and the disk is low no more.
//
// The file carries no information; a crash or a person may take it away at any time, and it is made
// again. On file systems that compress or copy on write its blocks may not be its own.
//
// Internal to audit/. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <absl/status/status.h>

namespace weir::audit {

class Ballast {
 public:
  Ballast() = default;
  // A file in the directory `dir`, which is there. `mark`: both its size and the low-water mark, in
  // bytes; 0: neither, and the disk is never low.
  Ballast(std::string dir, uint64_t mark) : dir_(std::move(dir)), mark_(mark) {}

  // Before a commit: looks at the disk, and gives room away when there is hardly any other. Never
  // fails: whether it was enough, the commit finds out.
  void MakeRoom();
  // When there is time: the same, and makes the ballast whole where that leaves enough.
  void Tend();

  // kResourceExhausted, with what to do, while the disk is low; else OK.
  absl::Status status() const;
  bool low() const { return low_; }
  uint64_t free_bytes() const { return free_; }  // when last looked at; without the ballast
  uint64_t bytes() const { return bytes_; }      // what is left of it

 private:
  std::string path() const;
  bool Look();
  void Resize(uint64_t bytes);
  uint64_t Missing() const;

  std::string dir_;
  uint64_t mark_ = 0;
  uint64_t free_ = 0;
  uint64_t bytes_ = 0;
  bool low_ = false;
  bool allocated_ = false;  // what there was at the start, too, has blocks
  std::string failure_;     // why it could not be made whole
};

}  // namespace weir::audit
