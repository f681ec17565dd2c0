#include "rules/window_index.h"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::rules {

void WindowIndex::Add(Window window, uint16_t beside, std::span<const Mark> marks) {
  window.size = static_cast<uint32_t>(marks.size()) & 3U;
  added_.push_back({FormFilter::Hash(marks.data(), marks.size()), beside, window});
}

uint32_t WindowIndex::FindTag(const Group& group, uint16_t tag) {
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

void WindowIndex::Build() {
  // Nearly half of a group is free on average, so that few are full.
  first_groups_ = added_.size() / 4 + 1;
  groups_.assign(first_groups_, Group());
  FormFilter::Counts counts{};
  for (const Added& added : added_) ++counts[added.window.size - 1U];
  filter_ = FormFilter(counts);
  for (const auto& [hash, beside, window] : added_) {
    filter_.Add(window.size, hash);
    marks_max_ = std::max<size_t>(marks_max_, window.size);
    const uint32_t key = Key(window.size, hash);
    const size_t at = GroupOf(key);
    if (groups_[at].tags[kTogether - 1] != 0) {
      groups_.push_back(groups_[at]);
      groups_[at] = Group();
      groups_[at].next = static_cast<uint32_t>(groups_.size() - 1);
    }
    Group& group = groups_[at];
    const auto i = static_cast<size_t>(std::ranges::find(group.tags, 0) - group.tags.begin());
    group.tags[i] = TagOf(key);
    group.besides[i] = beside;
    group.windows[i] = window;
  }
  groups_.shrink_to_fit();
  added_ = {};
}

// Hardly a branch: what stands at a place is as good as random, and to guess it wrong costs more
// than to write a match that does not count. Groups with more are asked again when all others are
// through, so that they are there by then. Field by field, since a compiler that copies a whole
// waits for parts of it that were written just before.
size_t WindowIndex::Find(std::vector<Ask>& asks, std::vector<Match>& matches) const {
  size_t count = 0;
  while (!asks.empty()) {
    const size_t most = count + asks.size() * kTogether + 1;
    if (matches.size() < most) matches.resize(most);
    Match* next = matches.data() + count;
    size_t again = 0;
    for (const Ask ask : asks) {
      const Group& group = groups_[ask.group];
      uint32_t found = FindTag(group, ask.tag);
      const auto write = [&] {
        const auto i = static_cast<size_t>(std::countr_zero(found | 1U << (kTogether - 1)));
        next->place = ask.place;
        next->window = group.windows[i];
        next->beside = group.besides[i];
        next += (found + (1U << kTogether) - 1) >> kTogether;
        found &= found - 1;
      };
      write();
      write();
      while (found != 0) write();
      __builtin_prefetch(&groups_[group.next]);
      asks[again].group = group.next;
      asks[again].place = ask.place;
      asks[again].tag = ask.tag;
      again += group.next != 0 ? 1 : 0;
    }
    count = static_cast<size_t>(next - matches.data());
    asks.resize(again);
  }
  return count;
}

size_t WindowIndex::memory_bytes() const {
  return filter_.memory_bytes() + groups_.capacity() * sizeof(Group);
}

}  // namespace weir::rules
