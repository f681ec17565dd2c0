#include "rules/window_index.h"

#include <algorithm>

namespace weir::rules {

void WindowIndex::Add(Window window, uint16_t beside, std::span<const Mark> marks) {
  window.size = static_cast<uint32_t>(marks.size()) & 3U;
  added_.push_back({FormFilter::Hash(marks.data(), marks.size()), beside, window});
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

size_t WindowIndex::memory_bytes() const {
  return filter_.memory_bytes() + groups_.capacity() * sizeof(Group);
}

}  // namespace weir::rules
