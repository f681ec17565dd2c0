// Finds many forms in a text by a few marks of each: one, two or three in a row.
//
// What is found names a form and where in it the marks stand. Whoever adds them sees to it that
// each way to write the form has some; whether the rest of it stands there is another question.
//
// Immutable and thread-safe once built.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "rules/form_filter.h"

namespace weir::rules {

class WindowIndex {
 public:
  // `form` is below kFormsMax, `offset` below 64.
  struct Window {
    uint16_t tag = 0;     // of the hash
    uint16_t beside = 0;  // the symbol beside the marks, or 0
    uint32_t form : 23 = 0;
    uint32_t offset : 6 = 0;     // of the form's symbols, how many stand before the marks
    uint32_t size : 2 = 0;       // of marks
    uint32_t is_before : 1 = 0;  // `beside` stands in front of them, else behind
  };
  static constexpr uint32_t kFormsMax = 1U << 23;
  // Windows with some hash, among others.
  struct Range {
    const Window* first;
    const Window* last;
    uint16_t tag;  // which they have
  };

  // `marks`, one to FormFilter::kMarksMax; of the window all but the tag and the size.
  void Add(Window window, std::span<const Mark> marks);
  // After the last Add().
  void Build();

  const FormFilter& filter() const { return filter_; }
  // The most marks that a window has: 0 if there is none.
  size_t marks_max() const { return marks_max_; }

  // Makes Find() quick, some time later.
  void Prefetch(size_t size, uint32_t hash) const {
    __builtin_prefetch(&firsts_[Key(size, hash) >> shift_]);
  }
  // Where the windows of `size` marks with this hash are, for which the filter must have some.
  Range Find(size_t size, uint32_t hash) const {
    const uint32_t key = Key(size, hash);
    const uint32_t* const first = &firsts_[key >> shift_];
    return {windows_.data() + first[0], windows_.data() + first[1], static_cast<uint16_t>(key)};
  }

  size_t memory_bytes() const;

 private:
  // Of hashes of each size, other numbers.
  static uint32_t Key(size_t size, uint32_t hash) {
    return (hash + static_cast<uint32_t>(size)) * 0x9E3779B1U;
  }

  FormFilter filter_;
  std::vector<std::pair<uint32_t, Window>> added_;  // with the hash; until Build()
  std::vector<Window> windows_;                     // by key
  std::vector<uint32_t> firsts_;  // by a key's highest bits: the first window; one more at the end
  uint32_t shift_ = 31;
  size_t marks_max_ = 0;
};

}  // namespace weir::rules
