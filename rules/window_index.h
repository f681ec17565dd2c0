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
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "rules/form_filter.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

  // Makes ForEach() quick, some time later.
  void Prefetch(size_t size, uint32_t hash) const {
    __builtin_prefetch(&groups_[GroupOf(Key(size, hash))]);
  }
  // Calls visit(window, beside) for the windows of `size` marks with this hash, and for a few
  // others.
  template <typename Visit>
  void ForEach(size_t size, uint32_t hash, Visit visit) const;

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
  size_t GroupOf(uint32_t key) const { return (uint64_t{key} * first_groups_) >> 32; }
  // The places of a group that have the tag, a bit for each.
  static uint32_t FindTag(const Group& group, uint16_t tag);

  FormFilter filter_;
  std::vector<Added> added_;  // until Build()
  std::vector<Group> groups_ = std::vector<Group>(1);
  size_t first_groups_ = 1;  // by the highest bits of keys; behind them those that are `next`
  size_t marks_max_ = 0;
};

inline uint32_t WindowIndex::FindTag(const Group& group, uint16_t tag) {
#if defined(__SSE2__)
  const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(group.tags.data()));
  const __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(tag)));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128())));
#else
  uint32_t found = 0;
  for (size_t i = 0; i < group.tags.size(); ++i) found |= (group.tags[i] == tag ? 1U : 0U) << i;
  return found;
#endif
}

template <typename Visit>
void WindowIndex::ForEach(size_t size, uint32_t hash, Visit visit) const {
  const uint32_t key = Key(size, hash);
  const uint16_t tag = TagOf(key);
  for (size_t at = GroupOf(key);; at = groups_[at].next) {
    const Group& group = groups_[at];
    for (uint32_t found = FindTag(group, tag); found != 0; found &= found - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(found));
      visit(group.windows[i], group.besides[i]);
    }
    if (group.next == 0) return;
  }
}

}  // namespace weir::rules
