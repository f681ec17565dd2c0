// What ordinary Chinese text looks like: which two characters make up a word, and which characters
// are so frequent that they stand anywhere. So that 人性化, which looks like 个性化, is not taken
// for a disguise of it: a disguise puts a character where no word has it.
//
// From ICU's dictionary of Chinese words and Unihan's frequencies, made at build time
// (tables/generate_words.cc): constant data, 170 KB. Thread-safe.
#pragma once

namespace weir::rules {

// Whether the two, as the fold lane has them, are a word.
bool IsOrdinaryWord(char32_t first, char32_t second);

// Whether `c` is one of the 800 most frequent characters, which are five sixths of any text.
bool IsFrequentCharacter(char32_t c);
// Whether it is one of the 470 most frequent ones, which are three quarters.
bool IsMostFrequentCharacter(char32_t c);

}  // namespace weir::rules
