#include "rules/tables/looks_classes.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weir::rules {
namespace {

class Partition {
 public:
  Partition(const std::map<uint32_t, std::set<uint32_t>>& alike,
            const std::function<int(uint32_t)>& weight) {
    std::map<uint32_t, uint32_t> place;
    for (const auto& [c, others] : alike) {
      const auto own = static_cast<uint32_t>(place.size());
      place.emplace(c, own);
      weights_.push_back(weight(c));
      class_weights_.push_back(weight(c));
      classes_.push_back({own});
    }
    for (const auto& [c, others] : alike) {
      std::set<uint32_t>& near = near_.emplace_back();
      near.insert(place.at(c));
      for (const uint32_t other : others) near.insert(place.at(other));
    }
  }

  // Puts together many pairs of classes, none of which gains much less than the best; false when
  // there is none.
  bool Merge() {
    constexpr double kNearlyBest = 0.7;
    const std::vector<Gain> gains = Gains();
    std::vector<bool> touched(classes_.size());
    for (const auto& [gain, a, b] : gains) {
      if (gain < kNearlyBest * std::get<0>(gains.front())) break;
      if (touched[a] || touched[b]) continue;
      touched[a] = touched[b] = true;
      classes_[a].insert(classes_[a].end(), classes_[b].begin(), classes_[b].end());
      classes_[b].clear();
      class_weights_[a] += class_weights_[b];
      absorbed_[b] = a;
    }
    for (std::set<uint32_t>& near : near_) {
      std::set<uint32_t> merged;
      for (const uint32_t one : near) {
        const auto found = absorbed_.find(one);
        merged.insert(found == absorbed_.end() ? one : found->second);
      }
      near = std::move(merged);
    }
    absorbed_.clear();
    return !gains.empty();
  }

  // By place of the character.
  std::vector<uint16_t> Numbers() const {
    std::vector<uint16_t> numbers(classes_.size());
    uint16_t number = 0;
    for (const std::vector<uint32_t>& members : classes_) {
      if (members.empty()) continue;
      ++number;
      for (const uint32_t member : members) numbers[member] = number;
    }
    return numbers;
  }

 private:
  using Gain = std::tuple<double, uint32_t, uint32_t>;

  // Of every two classes that would not be too large together, the best first. Small ones go
  // first, since large ones are soon full.
  std::vector<Gain> Gains() const {
    std::unordered_map<uint64_t, int> both;
    for (size_t c = 0; c < near_.size(); ++c) {
      for (auto a = near_[c].begin(); a != near_[c].end(); ++a) {
        for (auto b = std::next(a); b != near_[c].end(); ++b) {
          if (class_weights_[*a] + class_weights_[*b] > kLooksClassWeightMax) continue;
          both[uint64_t{*a} << 32 | *b] += weights_[c];
        }
      }
    }
    std::vector<Gain> gains;
    for (const auto& [pair, weight] : both) {
      const auto a = static_cast<uint32_t>(pair >> 32);
      const auto b = static_cast<uint32_t>(pair);
      const auto sizes = static_cast<double>(classes_[a].size() * classes_[b].size());
      gains.emplace_back(weight / std::sqrt(sizes), a, b);
    }
    std::ranges::sort(gains, std::greater<>());
    return gains;
  }

  std::vector<int> weights_;                    // by place of a character
  std::vector<std::set<uint32_t>> near_;        // the classes of it and of its look-alikes
  std::vector<std::vector<uint32_t>> classes_;  // the characters' places; empty: absorbed
  std::vector<int> class_weights_;
  std::map<uint32_t, uint32_t> absorbed_;  // class -> the one it is now part of
};

}  // namespace

std::map<uint32_t, uint16_t> LooksClasses(const std::map<uint32_t, std::set<uint32_t>>& alike,
                                          const std::function<int(uint32_t)>& weight) {
  Partition partition(alike, weight);
  while (partition.Merge()) continue;
  const std::vector<uint16_t> numbers = partition.Numbers();
  std::map<uint32_t, uint16_t> classes;
  for (const auto& [c, others] : alike) classes.emplace(c, numbers[classes.size()]);
  return classes;
}

}  // namespace weir::rules
