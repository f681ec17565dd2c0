// What ordinary Chinese text looks like: which characters make up a word, and which are so frequent
// that they stand anywhere. So that 人性化, which looks like 个性化, is not taken for a disguise of
// it: a disguise puts a character where no word has it.
//
// From ICU's dictionary of Chinese words and Unihan's frequencies, made at build time
// (tables/generate_words.cc): constant data, 530 KB. Thread-safe.
#pragma once

#include <string_view>

#include "rules/word_hash.h"

namespace weir::rules {

// Whether `text`, in the fold lane, is a word of two to four characters. Of strings that are none,
// one of a thousand is said to be one.
bool IsOrdinaryWord(std::u32string_view text);

// Whether `c` is one of the thousand most frequent characters.
bool IsFrequentCharacter(char32_t c);

}  // namespace weir::rules
