// Puts characters that look alike into classes, so that an index asks for a few classes where the
// characters that may stand for one are many. Runs at build time.
//
// Looking alike is no equivalence (大 太 犬, 犬 伏, 伏 状): no partition has all look-alikes of
// every character in one class. This one is made from single characters by putting those two
// classes together, again and again, that most characters have both of among their look-alikes,
// until every such two would be too large. The same input gives the same classes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>

namespace weir::rules {

// A class has 12 common characters at most, or as many more of rare ones, which a text hardly has.
inline constexpr int kCommonWeight = 8;
inline constexpr int kLooksClassWeightMax = 12 * kCommonWeight;

// The class of every character of `alike`, which must be symmetric, from 1 on. `weight`: how often
// a character is met, from 1 to kCommonWeight: that the look-alikes of common ones are in few
// classes matters most.
std::map<uint32_t, uint16_t> LooksClasses(const std::map<uint32_t, std::set<uint32_t>>& alike,
                                          const std::function<int(uint32_t)>& weight);

}  // namespace weir::rules
