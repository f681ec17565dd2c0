// Finds many forms in a text by a few marks of each: one, two or three in a row.
//
// What is found names a form and where in it the marks stand. Whoever adds them sees to it that
// each way to write the form has some; whether the rest of it stands there is another question.
//
// Windows are kept by their hash, in groups that fill a line of the processor's cache: so a
// question costs one miss, and next to nothing if it was announced.
//
// Immutable and thread-safe once built.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rules/form_filter.h"

namespace weir::rules {

class WindowIndex {
 public:
  // `form` is below kFormsMax, `offset` below 64.
  struct Window {
    uint32_t form : 23 = 0;
    uint32_t offset : 6 = 0;     // of the form's symbols, how many stand before the marks
    uint32_t size : 2 = 0;       // of marks
    uint32_t is_before : 1 = 0;  // the symbol beside the marks stands in front of them, else behind
  };
  static constexpr uint32_t kFormsMax = 1U << 23;

  // `marks`, one to FormFilter::kMarksMax; of the window all but the size. `beside`: the symbol
  // beside the marks, 0 for none.
  void Add(Window window, uint16_t beside, std::span<const Mark> marks);
  // After the last Add().
  void Build();

  const FormFilter& filter() const { return filter_; }
  // The most marks that a window has: 0 if there is none.
  size_t marks_max() const { return marks_max_; }

  // The question which windows may stand at a place.
  struct Ask {
    uint32_t group;
    uint32_t place;
    uint16_t tag;
  };
  struct Match {
    uint32_t place;
    Window window;
    uint16_t beside;
  };
  // About windows of `size` marks with this hash. Begins to fetch what Find() needs, so it is as
  // well to ask about many places first.
  Ask AskAt(uint32_t place, size_t size, uint32_t hash) const {
    const uint32_t key = Key(size, hash);
    const Ask ask{GroupOf(key), place, TagOf(key)};
    __builtin_prefetch(&groups_[ask.group]);
    return ask;
  }
  // Writes to the front of `matches`, which grows as it must, the windows that answer `asks`, and a
  // few others; returns how many. Uses `asks` up.
  size_t Find(std::vector<Ask>& asks, std::vector<Match>& matches) const;

  size_t memory_bytes() const;

 private:
  static constexpr size_t kTogether = 7;
  static constexpr size_t kLine = 64;
  // Filled from the front. One that is full makes room by moving to where `next` says: so thousands
  // of windows with one hash (words that begin alike) cost only who asks for that hash.
  struct alignas(kLine) Group {
    std::array<uint16_t, kTogether + 1> tags{};  // of the hash; 0 is free, and the last one always
    std::array<uint16_t, kTogether> besides{};
    std::array<Window, kTogether> windows{};
    uint32_t next = 0;  // the group with more, 0 if there is none
  };
  static_assert(sizeof(Group) == kLine);
  struct Added {
    uint32_t hash;
    uint16_t beside;
    Window window;
  };

  // Of hashes of each size, other numbers.
  static uint32_t Key(size_t size, uint32_t hash) {
    return (hash + static_cast<uint32_t>(size)) * 0x9E3779B1U;
  }
  static uint16_t TagOf(uint32_t key) { return static_cast<uint16_t>(key | 1U); }
  uint32_t GroupOf(uint32_t key) const {
    return static_cast<uint32_t>((uint64_t{key} * first_groups_) >> 32);
  }
  // The places of a group that have the tag, a bit for each.
  static uint32_t FindTag(const Group& group, uint16_t tag);

  FormFilter filter_;
  std::vector<Added> added_;  // until Build()
  std::vector<Group> groups_ = std::vector<Group>(1);
  size_t first_groups_ = 1;  // by the highest bits of keys; behind them those that are `next`
  size_t marks_max_ = 0;
};

}  // namespace weir::rules
