#include "rules/window_index.h"

#include <algorithm>
#include <bit>

namespace weir::rules {

void WindowIndex::Add(Window window, std::span<const Mark> marks) {
  window.size = static_cast<uint32_t>(marks.size()) & 3U;
  added_.emplace_back(FormFilter::Hash(marks.data(), marks.size()), window);
}

void WindowIndex::Build() {
  FormFilter::Counts counts{};
  for (const auto& [hash, window] : added_) ++counts[window.size - 1U];
  filter_ = FormFilter(counts);
  for (auto& [hash, window] : added_) {
    filter_.Add(window.size, hash);
    marks_max_ = std::max<size_t>(marks_max_, window.size);
    hash = Key(window.size, hash);
    window.tag = static_cast<uint16_t>(hash);
  }
  // Some in a row cost one miss of the caches, a larger table one for itself.
  const auto log = static_cast<uint32_t>(std::bit_width(added_.size() / 4 | 1U));
  shift_ = 32 - log;
  firsts_.assign((size_t{1} << log) + 1, 0);
  for (const auto& [key, window] : added_) ++firsts_[(key >> shift_) + 1];
  for (size_t i = 1; i < firsts_.size(); ++i) firsts_[i] += firsts_[i - 1];
  windows_.resize(added_.size());
  std::vector<uint32_t> next(firsts_.begin(), firsts_.end() - 1);
  for (const auto& [key, window] : added_) windows_[next[key >> shift_]++] = window;
  added_ = {};
}

size_t WindowIndex::memory_bytes() const {
  return filter_.memory_bytes() + windows_.capacity() * sizeof(Window) +
         firsts_.capacity() * sizeof(uint32_t);
}

}  // namespace weir::rules
